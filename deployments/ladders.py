"""The rungs of a scenario's ladder, read from its source: their names, what they may change, what it may cost."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

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
            return tuple(_rungs(graph, module, listed, _Call(module, recover)))
    return ()


@dataclass(frozen=True, slots=True)
class _Call:
    """Where an expression stands: the function round it, and what that one was called with, from where."""

    module: Module
    within: ast.stmt
    constants: Constants = field(default_factory=dict)
    passed: dict[str, ast.expr] = field(default_factory=dict)
    caller: _Call | None = None


def _means(graph: SourceGraph, module: Module, expression: ast.expr, wanted: str) -> bool:
    """Whether a name stands for one of the frame's, from whichever of its files it was imported."""
    named = graph.resolve(module, expression)
    return named.startswith("flows._") and named.endswith(f".{wanted}")


def _rungs(graph: SourceGraph, module: Module, node: ast.AST, call: _Call) -> Iterator[RungSource]:
    if isinstance(node, ast.ListComp):  # a rung that is wrapped also does what its wrapping does
        more = graph.reached(module, node.elt, call.constants)
        for rung in _rungs(graph, module, node.generators[0].iter, call):
            yield replace(rung, acts=rung.acts | more)
        return
    if isinstance(node, ast.Call):
        if _means(graph, module, node.func, "Rung"):
            yield _rung(graph, node, call)
            return
        made = graph.definition(graph.resolve(module, node.func))
        there = graph.module(graph.resolve(module, node.func).rpartition(".")[0])
        if isinstance(made, ast.FunctionDef) and there:
            passed = _passed(made, node)
            inner = _Call(there, made, _constants(passed), passed, call)
            for statement in made.body:
                yield from _rungs(graph, there, statement, inner)
            return
    for child in ast.iter_child_nodes(node):
        yield from _rungs(graph, module, child, call)


def _rung(graph: SourceGraph, rung: ast.Call, call: _Call) -> RungSource:
    given = {keyword.arg: keyword.value for keyword in rung.keywords}

    def reach(*names: str) -> frozenset[str]:
        told = [_reached(graph, given[name], call) for name in names if name in given]
        return frozenset[str]().union(*told)

    named = given.get("name")
    if isinstance(named, ast.Name):
        named = call.passed.get(named.id)
    return RungSource(
        name=str(named.value) if isinstance(named, ast.Constant) else "unnamed",
        acts=reach("act", "undo"),
        costs=_costs(graph, reach("decide")),
    )


def _reached(graph: SourceGraph, expression: ast.expr, call: _Call) -> frozenset[str]:
    """What an expression reaches, through functions that were passed to the one round it too."""
    told = _meant(expression, call.within)
    found = graph.reached(call.module, told, call.constants)
    for name in (node for node in ast.walk(told) if isinstance(node, ast.Name) and node is not told):
        if call.caller and name.id in call.passed:
            found |= _reached(graph, call.passed[name.id], call.caller)
        elif _meant(name, call.within) is not name:
            found |= _reached(graph, name, call)
    if isinstance(told, ast.Name) and call.caller and told.id in call.passed:
        found |= _reached(graph, call.passed[told.id], call.caller)
    return found


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


def _passed(made: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr]:
    """What a function is called with, by its parameters' names, defaults included."""
    arguments = made.args
    places = [*arguments.posonlyargs, *arguments.args]
    told = {a.arg: d for a, d in zip(reversed(places), reversed(arguments.defaults), strict=False)}
    told |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d}
    told |= {place.arg: given for place, given in zip(places, call.args, strict=False)}
    return told | {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def _constants(passed: dict[str, ast.expr]) -> dict[str, bool]:
    """The true and false ones of them."""
    return {
        name: value.value
        for name, value in passed.items()
        if isinstance(value, ast.Constant) and isinstance(value.value, bool)
    }


def _costs(graph: SourceGraph, decided: frozenset[str]) -> tuple[Destructiveness, ...]:
    """What its plans may cost: what deciding names, or a rule it asks for that; else what a plan costs by default."""
    named: set[Destructiveness] = set()
    for name in decided:
        node, home = graph.definition(name), graph.module(name.rpartition(".")[0])
        for part in parts(node, {}) if node and home else ():
            named |= _named_cost(part)
            rule = graph.rule(home, part) if home and isinstance(part, ast.Name) else None
            if rule and rule.returns and Destructiveness.__name__ in ast.unparse(rule.returns):
                named |= {cost for each in parts(rule, {}) for cost in _named_cost(each)}
    return tuple(each for each in Destructiveness if each in (named or {Destructiveness.REVERSIBLE}))


def _named_cost(part: ast.AST) -> set[Destructiveness]:
    if isinstance(part, ast.Attribute) and getattr(part.value, "id", "") == Destructiveness.__name__:
        return {Destructiveness[part.attr]}
    return set()
