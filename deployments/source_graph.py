"""What a flow reaches, read from the source: nothing is imported or run.

A definition reaches what its text names, and what that reaches. So it can only be told too much, never too little,
as long as tasks are named and not looked up.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLLOWED = ("flows", "tasks")
"""Below these layers nothing acts."""

Constants = Mapping[str, bool]
"""What is known of a function's flags at the call that is read: it decides which branch is read."""


@dataclass(frozen=True, slots=True)
class Module:
    """One file: its top-level definitions, and what its imported names stand for."""

    name: str
    definitions: dict[str, ast.stmt]
    imported: dict[str, str]


@dataclass(slots=True)
class SourceGraph:
    """The source below `root`; each file is read once."""

    root: Path
    _modules: dict[str, Module | None] = field(default_factory=dict)
    _rules: dict[str, Module] = field(default_factory=dict)
    _names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def module(self, name: str) -> Module | None:
        """A module of the followed layers, or None."""
        if name not in self._modules:
            path = self.root / f"{name.replace('.', '/')}.py"
            follow = name.partition(".")[0] in FOLLOWED and path.is_file()
            self._modules[name] = _read(name, path) if follow else None
        return self._modules[name]

    def definition(self, name: str) -> ast.stmt | None:
        """What a full name (`tasks.lambdas.move_alias`) is defined as, or None."""
        where, _, what = name.rpartition(".")
        module = self.module(where)
        return module.definitions.get(what) if module else None

    def rule(self, module: Module, expression: ast.expr) -> ast.FunctionDef | None:
        """The rule that a name of a module stands for, or None. What rules call is not followed."""
        where, _, what = self.resolve(module, expression).rpartition(".")
        path = self.root / f"{where.replace('.', '/')}.py"
        if not where.startswith("rules.") or not path.is_file():
            return None
        if where not in self._rules:
            self._rules[where] = _read(where, path)
        found = self._rules[where].definitions.get(what)
        return found if isinstance(found, ast.FunctionDef) else None

    def resolve(self, module: Module, expression: ast.expr) -> str:
        """The full name that a name or an attribute of a module stands for; empty where it is neither."""
        if isinstance(expression, ast.Name):
            if expression.id in module.definitions:
                return f"{module.name}.{expression.id}"
            return module.imported.get(expression.id, "")
        if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
            found = module.imported.get(expression.value.id, "")
            return f"{found}.{expression.attr}" if found else ""
        return ""

    def reached(self, module: Module, node: ast.AST, constants: Constants | None = None) -> frozenset[str]:
        """The full names of every definition that is reached from a piece of a module's text."""
        found: set[str] = set()
        waiting = list(self._named(module, node, constants or {}))
        while waiting:
            name = waiting.pop()
            defined = self.definition(name)
            if name in found or defined is None:
                continue
            found.add(name)
            waiting += self._named_by(name, defined)
        return frozenset(found)

    def _named_by(self, name: str, defined: ast.stmt) -> tuple[str, ...]:
        if name not in self._names:
            module = self.module(name.rpartition(".")[0])
            self._names[name] = tuple(set(self._named(module, defined, {}))) if module else ()
        return self._names[name]

    def _named(self, module: Module, node: ast.AST, constants: Constants) -> Iterator[str]:
        for part in parts(node, constants):
            if isinstance(part, ast.Name | ast.Attribute) and (name := self.resolve(module, part)):
                yield name


def parts(node: ast.AST, constants: Constants) -> Iterator[ast.AST]:
    """A piece of syntax and all below it, in the order of the text, without branches that are not taken."""
    yield node
    if isinstance(node, ast.IfExp) and isinstance(node.test, ast.Name) and node.test.id in constants:
        yield from parts(node.body if constants[node.test.id] else node.orelse, constants)
        return
    for child in ast.iter_child_nodes(node):
        yield from parts(child, constants)


def kind_of(node: ast.stmt | None) -> str:
    """`probe` or `action` where a definition is one, else nothing."""
    for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in {"probe", "action"}:
            return name
    return ""


def _read(name: str, path: Path) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    definitions: dict[str, ast.stmt] = {}
    imported: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            definitions |= dict.fromkeys(names, statement)
    for node in ast.walk(tree):  # everywhere: what is costly is imported where it is used
        if isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return Module(name, definitions, imported)
