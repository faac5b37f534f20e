"""What Backstop can do is read from the flows' text, without importing them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.failures import WrongUsage
from cli.recover import parameters, typed
from flows import _catalogue as catalogue

FLOW = '''
from prefect import flow
@flow(name="lost-queue", timeout_seconds=9)
def recover(environment: Environment, to_release: str | None = None, count: int = 3, queue: str = ...,
            rehearse: bool = False, request: Request = Request()) -> Outcome:
    """Bring the queue back.

    It takes its time. Source: runbook 000, scenario 2. Budget: 2 minutes.
    """
'''


@pytest.fixture
def lost_queue(tmp_path: Path) -> catalogue.Scenario:
    """A scenario read from a file."""
    path = tmp_path / "lost_queue.py"
    path.write_text(FLOW)
    found = catalogue._read(path)
    assert found is not None
    return found


def test_a_scenario_is_read_from_its_docstring(lost_queue: catalogue.Scenario) -> None:
    """Name, title, source and promise come from the flow itself."""
    assert (lost_queue.name, lost_queue.title) == ("lost-queue", "Bring the queue back.")
    assert (lost_queue.source, lost_queue.budget) == ("runbook 000, scenario 2", "2 minutes")
    assert [p.name for p in lost_queue.parameters] == ["to_release", "count", "queue"]
    assert lost_queue.whole_numbers == {"count"}


def test_constrained_types_are_told_plainly(tmp_path: Path) -> None:
    """A route or a command line gives text and numbers, whatever the flow calls them; `Args:` says what they mean."""
    path = tmp_path / "lost_run.py"
    path.write_text(
        '''"""Lost run: a run is gone."""
RunNumber = Annotated[int, Field(gt=0)]
def recover(environment: Environment, run: RunNumber | None = None, to: ReleaseName = "x",
            many: list[RunNumber] = [], wait: Annotated[int, Field(description="Minutes.")] = 1) -> Outcome:
    """Find it.

    Args:
        run: Its number,
            in full.
    """
'''
    )
    found = catalogue._read(path)
    assert found is not None

    assert [p.type for p in found.parameters] == ["int | None", "str", "list[int]", "int"]
    assert [p.about for p in found.parameters] == ["Its number, in full.", "", "", "Minutes."]
    assert found.whole_numbers == {"run", "wait"}
    assert found.when == "a run is gone."


def test_upkeep_is_no_scenario(tmp_path: Path) -> None:
    """A file without `recover` is not something to recover from."""
    path = tmp_path / "backup.py"
    path.write_text("def run() -> None: ...")

    assert catalogue._read(path) is None


def test_every_flow_with_recover_is_listed() -> None:
    """Every file of flows/ that defines `recover` is a scenario with title, source and promise."""
    listed = {scenario.module for scenario in catalogue.scenarios()}
    expected = {
        f"flows.{path.stem}" for path in Path("flows").glob("[!_]*.py") if "def recover(" in path.read_text()
    }

    assert listed == expected
    for scenario in catalogue.scenarios():
        assert scenario.title, scenario.name
        assert scenario.source, scenario.name
        assert scenario.budget, scenario.name


def test_words_become_parameters(lost_queue: catalogue.Scenario) -> None:
    """`key=value` words take the type the flow wants; hyphens count as underscores."""
    assert parameters(lost_queue, ("to-release=123", "count=5")) == {"to_release": "123", "count": 5}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("to_releas=1", "'to_release'"),
        ("nonsense", "not key=value"),
        ("environment=prod", "not given as key=value"),
        ("rehearse=true", "not given as key=value"),
    ],
)
def test_wrong_words_are_refused(lost_queue: catalogue.Scenario, word: str, told: str) -> None:
    """A misspelt key is named together with what is meant: Prefect would accept it silently."""
    with pytest.raises(WrongUsage, match=told):
        parameters(lost_queue, (word,))


def test_a_key_counts_once(lost_queue: catalogue.Scenario) -> None:
    """The same key twice is a mistake, not a choice."""
    with pytest.raises(WrongUsage, match="twice"):
        parameters(lost_queue, ("count=1", "count=2"))


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("7", "int", 7),
        ("7", "str", "7"),
        ("7", "str | None", "7"),
        ("", "str | None", None),
        ("true", "bool", True),
        ("[1, 2]", "list[int]", [1, 2]),
        ("PT5M", "timedelta", "PT5M"),
    ],
)
def test_values_are_typed_as_the_flow_wants(value: str, annotation: str, expected: object) -> None:
    """Text stays text where text is wanted; a release called 7 is not a number."""
    assert typed(value, annotation) == expected
