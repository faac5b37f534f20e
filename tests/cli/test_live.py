"""The live view tells what the ledger says, on a terminal and without one."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from cli import printing
from cli.live import Story, Watching
from ledger.cases import Case
from ledger.incidents import phase_seconds

from .conftest import open_waiting


@pytest.fixture(autouse=True)
def _plain_console() -> None:
    printing.console.cache_clear()


def test_without_a_terminal_every_entry_is_one_line(
    waiting: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    """Logs and pipes get one readable line an entry, and none twice."""
    with Watching(waiting.ledger) as watching:
        assert watching.look(waiting.incident_id) is False
        watching.look(waiting.incident_id)
        waiting.record("guard", "approved by maria")
        watching.look(waiting.incident_id)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{waiting.incident_id}  canary-failure in prod"
    assert sum("one approver" in line for line in lines) == 1
    assert f"backstop approve {waiting.incident_id}" in "\n".join(lines)
    assert lines[-1].endswith("guard     guard       approved by maria")


def test_quiet_says_nothing(waiting: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json no progress is mixed into the data."""
    with Watching(waiting.ledger, quiet=True) as watching:
        watching.look(waiting.incident_id)
        watching.say("hello")

    assert capsys.readouterr().out == ""


def test_times_agree_with_the_ledger(own_home: object) -> None:
    """The seconds of each finished phase are those that the ledger computes."""
    case = open_waiting()
    watching = Watching(case.ledger, quiet=True)
    watching.look(case.incident_id)

    with case.ledger.reading() as session:
        expected = {
            phase.value: seconds for phase, seconds in phase_seconds(session, case.incident_id).items()
        }

    seen = watching.story.seconds
    assert {phase: round(seconds, 3) for phase, seconds in seen.items()} == pytest.approx(expected, abs=0.002)


def test_the_running_phase_counts_on() -> None:
    """A phase that nobody entered has no time."""
    assert Story().spent("act", datetime.now(UTC)) is None


def test_the_picture_shows_every_phase(waiting: Case) -> None:
    """On a terminal all phases are shown, the running one marked."""
    watching = Watching(waiting.ledger, quiet=True)
    watching.look(waiting.incident_id)
    screen = Console(width=100, file=io.StringIO())
    with screen.capture() as captured:
        screen.print(watching._picture())

    drawn = captured.get()
    for phase in ("detect", "decide", "guard", "snapshot", "act", "verify", "report"):
        assert phase in drawn
    running = [line for line in drawn.splitlines() if line.startswith("●")]
    assert [line.split()[1] for line in running] == ["guard"]
