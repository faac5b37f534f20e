"""What Backstop can do, read from the text of the flows: importing them would take seconds."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from flows._parameters import Parameter, read_parameters


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of thing that goes wrong. `module` is importable and holds `recover`."""

    name: str
    module: str
    title: str
    when: str
    """What goes wrong, from the file's first line."""
    source: str
    budget: str
    about: str
    parameters: tuple[Parameter, ...]

    @property
    def whole_numbers(self) -> frozenset[str]:
        """The parameters that are whole numbers."""
        return frozenset(p.name for p in self.parameters if "int" in p.type.replace(" ", "").split("|"))


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Every scenario in `flows/`, by name."""
    found = [scenario for path in _flow_files() if (scenario := _read(path)) is not None]
    return tuple(sorted(found, key=lambda scenario: scenario.name))


def _flow_files() -> list[Path]:
    spec = find_spec("flows")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return sorted(path for folder in folders for path in Path(folder).glob("[!_]*.py"))


def _read(path: Path) -> Scenario | None:
    """The scenario of a file, or None for upkeep: only scenarios have a flow called `recover`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "recover":
            return _scenario(path, tree, node)
    return None


def _scenario(path: Path, tree: ast.Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Scenario:
    docstring = ast.get_docstring(node) or ""
    title, _, rest = docstring.partition("\n")
    if " Source:" in title:  # all of it in one line
        title, rest = re.split(r"\s+(?=Source:)", title, maxsplit=1)
    about = re.split(
        r"^\s*(?:Source|Budget|Args|Parameters|Raises|Returns):", rest, maxsplit=1, flags=re.MULTILINE
    )
    flat = " ".join(docstring.split())
    return Scenario(
        name=_flow_name(node) or path.stem.replace("_", "-"),
        module=f"flows.{path.stem}",
        title=title,
        when=(ast.get_docstring(tree) or "").partition("\n")[0].partition(": ")[2],
        source=_after("Source", flat),
        budget=_after("Budget", flat),
        about=about[0].strip(),
        parameters=read_parameters(tree, node),
    )


def _after(word: str, text: str) -> str:
    """What follows `Source:` or `Budget:` up to the end of its sentence."""
    found = re.search(rf"\b{word}:\s*(.+?)(?:\.(?=\s|$)|$)", text)
    return found.group(1).strip() if found else ""


def _flow_name(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            for keyword in decorator.keywords:
                if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
                    return str(keyword.value.value)
    return ""
