"""What Backstop can do, read from the text of the flows: importing them would take seconds."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from cli.failures import WrongUsage
from cli.names import suggestion

OWN_OPTIONS = {
    "environment": "--environment",
    "rehearse": "--rehearse",
    "request": "--requested-by and --reason",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a scenario beside the environment: `key=value` on the command line."""

    name: str
    type: str
    default: str
    required: bool


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of thing that goes wrong. `module` is importable and holds `recover`."""

    name: str
    module: str
    title: str
    source: str
    budget: str
    about: str
    parameters: tuple[Parameter, ...]


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Every scenario in `flows/`, by name."""
    found = [scenario for path in _flow_files() if (scenario := _read(path)) is not None]
    return tuple(sorted(found, key=lambda scenario: scenario.name))


def scenario(name: str) -> Scenario:
    """The scenario of that name; underscores count as hyphens.

    Raises:
        WrongUsage: there is none; says which is meant.
    """
    wanted = name.replace("_", "-")
    for known in scenarios():
        if known.name == wanted:
            return known
    names = [known.name for known in scenarios()]
    raise WrongUsage(
        f"There is no scenario {name[:80]!r}.{suggestion(wanted, names)}",
        hint="`backstop scenarios` lists them.",
    )


def _flow_files() -> list[Path]:
    spec = find_spec("flows")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return sorted(path for folder in folders for path in Path(folder).glob("[!_]*.py"))


def _read(path: Path) -> Scenario | None:
    """The scenario of a file, or None for upkeep: only scenarios have a flow called `recover`."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "recover":
            return _scenario(path, node)
    return None


def _scenario(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Scenario:
    docstring = ast.get_docstring(node) or ""
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", docstring)]
    flat = " ".join(paragraphs)
    about = [
        p for p in paragraphs[1:] if not re.match(r"(Source|Budget|Args|Parameters|Raises|Returns)\b", p)
    ]
    return Scenario(
        name=_flow_name(node) or path.stem.replace("_", "-"),
        module=f"flows.{path.stem}",
        title=re.split(r"\s+Source:", paragraphs[0])[0],
        source=_after("Source", flat),
        budget=_after("Budget", flat),
        about=" ".join(about),
        parameters=tuple(_parameters(node.args)),
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


def _parameters(arguments: ast.arguments) -> list[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = list(zip(positional, [*missing, *arguments.defaults], strict=True))
    pairs += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    return [
        Parameter(
            name=argument.arg,
            type=ast.unparse(argument.annotation) if argument.annotation else "str",
            default=ast.unparse(default) if default is not None else "",
            required=default is None,
        )
        for argument, default in pairs
        if argument.arg not in OWN_OPTIONS
    ]
