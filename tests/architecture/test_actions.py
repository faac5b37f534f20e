"""Every action makes the two promises of its kind: it can be repeated, and it says what it may need."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source_tree import ROOT, decorated_with, python_files

ACTIONS = [
    pytest.param(function, id=f"{path.stem}.{function.name}")
    for path in python_files("tasks")
    for function in decorated_with(path, "action")
]


@pytest.mark.parametrize("function", ACTIONS)
def test_an_action_says_that_it_can_be_repeated(function: ast.FunctionDef) -> None:
    """The sentence is there, so that nobody writes an action without thinking of a second run."""
    assert "Repeating it changes nothing." in " ".join((ast.get_docstring(function) or "").split())


@pytest.mark.parametrize("function", ACTIONS)
def test_an_action_lists_its_permissions(function: ast.FunctionDef) -> None:
    """`Permissions:` names IAM actions, or says `none` and why."""
    words = ast.get_docstring(function) or ""

    assert re.search(r"^Permissions: ([a-z0-9-]+:[A-Z]\w+|none)", words, re.MULTILINE)


def test_the_generated_pages_are_up_to_date() -> None:
    """Permissions, scenarios' pages and coverage are what the code says; `make docs` writes them."""
    words = [sys.executable, "-m", "docs.generate", "--check"]
    done = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)

    assert done.returncode == 0, f"run make docs\n{done.stderr}"


def test_only_tasks_make_actions() -> None:
    """What changes the world is in `tasks/` (the sandbox breaks things without being an action)."""
    elsewhere: list[tuple[Path, str]] = [
        (path, function.name)
        for path in python_files("rules", "blocks", "ledger", "flows", "webhooks", "deployments", "cli")
        for function in decorated_with(path, "action")
    ]

    assert elsewhere == []
