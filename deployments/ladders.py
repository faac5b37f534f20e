"""The rungs of a scenario's ladder, read from its source: their names, what they may change, what it may cost."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from deployments.source_graph import Constants, Module, SourceGraph, parts
from rules.severity import Destructiveness


@dataclass(frozen=True, slots=True)
class RungSource:
    """One rung. `acts` are the full names that its acting and undoing reach."""

    name: str
    acts: frozenset[str]
    costs: tuple[Destructiveness, ...]


def ladder(graph: SourceGraph, module: Module, recover: ast.stmt) -> tuple[RungSource, ...]:
    """The rungs of `recover`, the safest first, as its text lists them."""
    for node in ast.walk(recover):
        if isinstance(node, ast.Call) and _means(graph, module, node.func, "handle"):
            listed = next(keyword.value for keyword in node.keywords if keyword.arg == "ladder")
            return tuple(_rungs(graph, module, listed, recover, {}))
    return ()


def _means(graph: SourceGraph, module: Module, expression: ast.expr, wanted: str) -> bool:
    """Whether a name stands for one of the frame's, from whichever of its files it was imported."""
    named = graph.resolve(module, expression)
    return named.startswith("flows._") and named.endswith(f".{wanted}")


def _rungs(
    graph: SourceGraph, module: Module, node: ast.AST, within: ast.stmt, constants: Constants
) -> Iterator[RungSource]:
    if isinstance(node, ast.ListComp):  # a rung that is wrapped also does what its wrapping does
        more = graph.reached(module, node.elt, constants)
        for rung in _rungs(graph, module, node.generators[0].iter, within, constants):
            yield replace(rung, acts=rung.acts | more)
        return
    if isinstance(node, ast.Call):
        if _means(graph, module, node.func, "Rung"):
            yield _rung(graph, module, node, within, constants)
            return
        made = graph.definition(graph.resolve(module, node.func))
        there = graph.module(graph.resolve(module, node.func).rpartition(".")[0])
        if isinstance(made, ast.FunctionDef) and there:
            flags = _flags(made, node)
            for statement in made.body:
                yield from _rungs(graph, there, statement, made, flags)
            return
    for child in ast.iter_child_nodes(node):
        yield from _rungs(graph, module, child, within, constants)


def _rung(
    graph: SourceGraph, module: Module, call: ast.Call, within: ast.stmt, constants: Constants
) -> RungSource:
    given = {keyword.arg: keyword.value for keyword in call.keywords}

    def reach(*names: str) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for name in names:
            if name in given:
                told = _meant(given[name], within)
                found |= graph.reached(module, told, constants)
        return found

    named = given.get("name")
    return RungSource(
        name=str(named.value) if isinstance(named, ast.Constant) else "unnamed",
        acts=reach("act", "undo"),
        costs=_costs(graph, reach("decide")),
    )


def _meant(expression: ast.expr, within: ast.stmt) -> ast.AST:
    """The expression, or what a local name was set to before."""
    if not isinstance(expression, ast.Name):
        return expression
    for node in ast.walk(within):
        if isinstance(node, ast.Assign):
            names = [
                part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)
            ]
            if expression.id in names:
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                return values[names.index(expression.id)] if len(values) == len(names) else node.value
    return expression


def _flags(made: ast.FunctionDef, call: ast.Call) -> dict[str, bool]:
    """The true and false arguments of a call, defaults included."""
    arguments = made.args
    pairs = zip(
        reversed([*arguments.posonlyargs, *arguments.args]), reversed(arguments.defaults), strict=False
    )
    told = {argument.arg: default for argument, default in pairs}
    told |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d}
    told |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    return {
        name: value.value
        for name, value in told.items()
        if isinstance(value, ast.Constant) and isinstance(value.value, bool)
    }


def _costs(graph: SourceGraph, decided: frozenset[str]) -> tuple[Destructiveness, ...]:
    """What its plans may cost: what deciding names, else what a plan costs by default."""
    named = set()
    for name in decided:
        node = graph.definition(name)
        for part in parts(node, {}) if node else ():
            if isinstance(part, ast.Attribute) and getattr(part.value, "id", "") == Destructiveness.__name__:
                named.add(Destructiveness[part.attr])
    return tuple(each for each in Destructiveness if each in (named or {Destructiveness.REVERSIBLE}))
