"""What each probe and action needs: the IAM actions that its docstring names under `Permissions:`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deployments.source_graph import SourceGraph, kind_of


@dataclass(frozen=True, slots=True)
class TaskNeed:
    """One probe or action: what it does, and the IAM actions that its docstring names, or what it says instead."""

    name: str
    kind: str
    about: str
    permissions: tuple[str, ...]
    otherwise: str


def task_needs(folder: Path) -> Iterator[TaskNeed]:
    """Every probe and action in `folder`, in the order of files and lines."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and kind_of(node):
                yield _need(f"{path.stem}.{node.name}", node)


def permissions(tasks: Iterable[TaskNeed]) -> list[str]:
    """The IAM actions that tasks need together, sorted."""
    return sorted({one for task in tasks for one in task.permissions})


def named_permissions(docstring: str) -> tuple[str, ...]:
    """The IAM actions after `Permissions:`, up to the next empty line."""
    return tuple(sorted(set(re.findall(r"\b[a-z0-9-]+:[A-Z]\w+", _said_of_permissions(docstring)))))


def _said_of_permissions(docstring: str) -> str:
    found = re.search(r"^\s*Permissions:(.*?)(?:\n\s*\n|\Z)", docstring, re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def secret_permissions(root: Path) -> list[str]:
    """What reading a secret needs where it is kept in AWS: keys of endpoints, tokens, addresses of people."""
    tree = ast.parse((root / "blocks/secret_reference.py").read_text(encoding="utf-8"))
    read = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "read")
    return sorted({one for node in read for one in named_permissions(ast.get_docstring(node) or "")})


def reached_needs(graph: SourceGraph, reached: frozenset[str]) -> tuple[TaskNeed, ...]:
    """The probes and actions among what is reached, by name."""
    found = []
    for name in sorted(reached):
        node = graph.definition(name)
        if isinstance(node, ast.FunctionDef) and kind_of(node):
            found.append(_need(name.removeprefix("tasks."), node))
    return tuple(found)


def _need(name: str, node: ast.FunctionDef) -> TaskNeed:
    docstring = ast.get_docstring(node) or ""
    about = docstring.partition("\n")[0].replace(" Repeating it changes nothing.", "")
    named = named_permissions(docstring)
    return TaskNeed(name, kind_of(node), about, named, "" if named else _said_of_permissions(docstring))
