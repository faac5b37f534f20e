"""The parameters of a scenario, read from its text: their plain types, their defaults, what they mean."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import rules
from rules.triggers import OWN_PARAMETERS

Function = ast.FunctionDef | ast.AsyncFunctionDef
Aliases = dict[str, ast.expr]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a scenario beside the environment: `key=value` on the command line."""

    name: str
    type: str
    default: str
    required: bool
    about: str = ""


def read_parameters(tree: ast.Module, flow: Function) -> tuple[Parameter, ...]:
    """The parameters of a flow, without those that Backstop fills in."""
    arguments, told = flow.args, _described_arguments(ast.get_docstring(flow) or "")
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    pairs = list(zip(positional, [*missing, *arguments.defaults], strict=True))
    pairs += list(zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True))
    plain = _PlainTypes({**_aliases(_names()), **_aliases(tree)})
    return tuple(
        Parameter(
            name=argument.arg,
            type=ast.unparse(plain.visit(argument.annotation)) if argument.annotation else "str",
            default=ast.unparse(default) if default is not None else "",
            required=default is None,
            about=_described(argument.annotation) or told.get(argument.arg, ""),
        )
        for argument, default in pairs
        if argument.arg not in OWN_PARAMETERS
    )


class _PlainTypes(ast.NodeTransformer):
    """Makes `RunNumber | None` the `int | None` that it is: what a form, a route or a command line can give."""

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._aliases.get(node.id, node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        base = _base(node)
        return self.visit(base) if base else self.generic_visit(node)


def _aliases(tree: ast.Module) -> Aliases:
    """The names that a file gives to constrained types: `Name = Annotated[str, …]`."""
    return {
        target.id: base
        for node in tree.body
        if isinstance(node, ast.Assign) and (base := _base(node.value)) is not None
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _base(node: ast.AST) -> ast.expr | None:
    """The `str` of `Annotated[str, …]`; None for anything else."""
    parts = _annotated(node)
    return parts[0] if parts else None


def _annotated(node: ast.AST | None) -> list[ast.expr]:
    if not (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Annotated"):
        return []
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


@cache
def _names() -> ast.Module:
    """`rules/names.py`, where the names that several flows take are described."""
    return ast.parse((Path(rules.__path__[0]) / "names.py").read_text(encoding="utf-8"))


def _described_arguments(docstring: str) -> dict[str, str]:
    """What `Args:` says of each parameter."""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?)*)", docstring, re.MULTILINE)
    told = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in told}


def _described(annotation: ast.expr | None) -> str:
    """The description in `Annotated[type, Field(description=…)]`."""
    return next(
        (
            str(keyword.value.value)
            for part in _annotated(annotation)
            if isinstance(part, ast.Call)
            for keyword in part.keywords
            if keyword.arg == "description" and isinstance(keyword.value, ast.Constant)
        ),
        "",
    )
