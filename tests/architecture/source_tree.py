"""Reading the source tree: which files are ours, and what their syntax says. Nothing is imported."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("rules", "blocks", "ledger", "tasks", "flows", "webhooks", "deployments", "sandbox", "cli")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def our_files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, under version control."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file()))


def python_files(*folders: str) -> list[Path]:
    """Our Python files below these folders."""
    return [path for path in our_files() if path.suffix == ".py" and relative(path).parts[0] in folders]


def relative(path: Path) -> Path:
    """The path as it is written in the repository."""
    return path.relative_to(ROOT)


@cache
def tree(path: Path) -> ast.Module:
    """The file's syntax."""
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Function]:
    """Every function and method of a file."""
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def decorated_with(path: Path, name: str) -> Iterator[Function]:
    """The functions of a file that carry the decorator `name`, called or not."""
    for function in functions(path):
        for decorator in function.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if (isinstance(called, ast.Name) and called.id == name) or (
                isinstance(called, ast.Attribute) and called.attr == name
            ):
                yield function


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def scenario_files() -> list[Path]:
    """The files in `flows/` that hold a flow; those that start with an underscore are shared."""
    return [path for path in python_files("flows") if not path.name.startswith("_")]
