"""What Backstop can do, read from the text of the flows: importing them would take seconds."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from rules.triggers import OWN_PARAMETERS


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a scenario beside the environment: `key=value` on the command line."""

    name: str
    type: str
    default: str
    required: bool
    about: str = ""


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
    when = (ast.get_docstring(tree) or "").partition("\n")[0].partition(": ")[2]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "recover":
            return _scenario(path, when, node)
    return None


def _scenario(path: Path, when: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Scenario:
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
        when=when,
        source=_after("Source", flat),
        budget=_after("Budget", flat),
        about=about[0].strip(),
        parameters=tuple(_parameters(node.args, _described_arguments(docstring))),
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


def _described_arguments(docstring: str) -> dict[str, str]:
    """What `Args:` says of each parameter."""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?)*)", docstring, re.MULTILINE)
    told = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in told}


def _parameters(arguments: ast.arguments, told: dict[str, str]) -> list[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = list(zip(positional, [*missing, *arguments.defaults], strict=True))
    pairs += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    return [
        _parameter(argument, default, told.get(argument.arg, ""))
        for argument, default in pairs
        if argument.arg not in OWN_PARAMETERS
    ]


def _parameter(argument: ast.arg, default: ast.expr | None, about: str) -> Parameter:
    """A parameter; `Annotated[type, Field(description=…)]` describes it before `about` does."""
    kind = argument.annotation
    if isinstance(kind, ast.Subscript) and ast.unparse(kind.value) == "Annotated":
        parts = kind.slice.elts if isinstance(kind.slice, ast.Tuple) else [kind.slice]
        kind = parts[0]
        about = next((text for part in parts[1:] if (text := _described(part))), about)
    return Parameter(
        name=argument.arg,
        type=ast.unparse(kind) if kind else "str",
        default=ast.unparse(default) if default is not None else "",
        required=default is None,
        about=about,
    )


def _described(field: ast.expr) -> str:
    if isinstance(field, ast.Call):
        for keyword in field.keywords:
            if keyword.arg == "description" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
    return ""
