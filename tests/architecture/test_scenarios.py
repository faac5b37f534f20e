"""Every flow in `flows/` has what a person on call needs: deployment, tests, a row in the docs, a source."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from rules.promises import PROMISES
from tests.architecture.source_tree import ROOT, decorated_with, scenario_files

SCENARIOS = scenario_files()
RECOVERIES = [path for path in SCENARIOS for flow in decorated_with(path, "flow") if flow.name == "recover"]
by_name = pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)


def flow_name(path: Path) -> str:
    """What Prefect calls the scenario of a file."""
    return path.stem.replace("_", "-")


def test_there_are_scenarios() -> None:
    """The other tests here are about something."""
    assert "canary_failure" in {path.stem for path in SCENARIOS}


@by_name
def test_it_is_one_flow_named_as_its_file(path: Path) -> None:
    """`ls flows` is the index: each file holds one flow, and Prefect shows it under the file's name."""
    flows = list(decorated_with(path, "flow"))
    names = [
        keyword.value.value
        for flow in flows
        for decorator in flow.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    ]

    assert names == [flow_name(path)]


@by_name
def test_it_says_where_it_comes_from(path: Path) -> None:
    """The docstring, which Prefect shows, starts with a sentence; a recovery names its source and budget."""
    [flow] = decorated_with(path, "flow")
    words = ast.get_docstring(flow) or ""

    assert re.match(r"[A-Z].*\.$", words.partition("\n")[0])
    if flow.name == "recover":
        assert "Source: " in words
        assert "Budget: " in words


@pytest.mark.parametrize("path", RECOVERIES, ids=lambda path: path.stem)
def test_its_budget_is_the_promise(path: Path) -> None:
    """A scenario has its row in the table of promises, and its docstring says the same time."""
    [flow] = decorated_with(path, "flow")
    words = ast.get_docstring(flow) or ""

    [minutes] = re.findall(r"Budget: (\d+) minutes?", words)
    assert PROMISES[flow_name(path)].seconds == 60 * int(minutes)


@by_name
def test_it_has_a_deployment(path: Path) -> None:
    """`prefect.yaml` deploys it under its own name, by module path; its docstring is the description."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]

    ours = [d for d in deployments if d["name"] == flow_name(path)]

    assert len(ours) == 1
    assert re.match(rf"flows\.{path.stem}[.:]\w+$", ours[0]["entrypoint"])


def test_no_deployment_without_a_flow() -> None:
    """A scenario that went took its deployment along."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]

    assert {d["name"] for d in deployments} <= {flow_name(path) for path in SCENARIOS}


@by_name
def test_it_has_tests(path: Path) -> None:
    """Its tests are where one looks for them."""
    assert list((ROOT / "tests/flows").glob(f"test_{path.stem}*.py"))


@by_name
def test_it_has_a_row_in_the_docs(path: Path) -> None:
    """`docs/scenarios.md` says what it does."""
    rows = (ROOT / "docs/scenarios.md").read_text().splitlines()

    assert [row for row in rows if row.startswith(f"| `{flow_name(path)}` |")]
