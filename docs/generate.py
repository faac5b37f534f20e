"""Write the pages of docs/ that are made from the code: `make docs`. A test holds them to it.

`permissions.md`: the IAM actions that each probe and action names in its docstring under `Permissions:`,
and the policy that Backstop's role needs for all of them.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = """\
# Permissions

Made by `make docs` from the docstrings in `tasks/`. Each probe and action names what it needs; the policy is
their union. Narrow the resources to your own functions, tables and buckets.

| what | kind | needs |
| --- | --- | --- |
"""


@dataclass(frozen=True, slots=True)
class Need:
    """What one task needs."""

    task: str
    kind: str
    permissions: tuple[str, ...]


def needs(folder: Path) -> Iterator[Need]:
    """What the probes and actions in `folder` say they need, in the order of files and lines."""
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and (kind := task_kind(node)):
                named = permissions(ast.get_docstring(node) or "")
                yield Need(f"{path.stem}.{node.name}", kind, named)


def task_kind(function: ast.FunctionDef) -> str:
    """`probe`, `action`, or nothing."""
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in {"probe", "action"}:
            return name
    return ""


def permissions(docstring: str) -> tuple[str, ...]:
    """The IAM actions after `Permissions:`, up to the next empty line."""
    found = re.search(r"^Permissions:(.*?)(?:\n\s*\n|\Z)", docstring, re.DOTALL | re.MULTILINE)
    return tuple(sorted(set(re.findall(r"\b[a-z0-9-]+:[A-Z]\w+", found[1])))) if found else ()


def page(all_needs: list[Need]) -> str:
    """The page as Markdown."""
    rows = "".join(
        f"| `{need.task}` | {need.kind} | {', '.join(f'`{p}`' for p in need.permissions)} |\n"
        for need in all_needs
        if need.permissions
    )
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": f"Backstop{kind.capitalize()}s",
                "Effect": "Allow",
                "Action": sorted({p for need in all_needs if need.kind == kind for p in need.permissions}),
                "Resource": "*",
            }
            for kind in ("probe", "action")
        ],
    }
    return f"{HEAD}{rows}\n```json\n{json.dumps(policy, indent=2)}\n```\n"


def main() -> int:
    """Write the pages; with `--check` only say whether they are up to date."""
    target = ROOT / "docs/permissions.md"
    wanted = page(list(needs(ROOT / "tasks")))
    if "--check" in sys.argv[1:]:
        return int(not target.exists() or target.read_text(encoding="utf-8") != wanted)
    target.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
