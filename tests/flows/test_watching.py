"""One piece of evidence alone is looked at again: neither a hiccup's alarm nor a single bad answer moves production."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from blocks.environment import Environment
from blocks.settings import settings
from deployments.environments import load_environment
from flows import _watching
from rules.health import Alarm, AlarmState, Look
from rules.outcomes import Verdict
from rules.severity import Severity
from tasks.service_looks import ServiceLook

GOOD, BAD = Look(verdict=Verdict.PASS, reason="200"), Look(verdict=Verdict.FAIL, reason="500")
FIRES, CLEAR = AlarmState.ALARM, AlarmState.OK


@pytest.fixture
def detected(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Verdict, int]]:
    """What detection says of a row of looks, of which the last one stays, and how many it took."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.002")
    settings.cache_clear()

    def detect(rows: Sequence[tuple[Look, AlarmState]]) -> tuple[Verdict, int]:
        taken = 0

        def look(_environment: Environment) -> ServiceLook:
            nonlocal taken
            answer, state = rows[min(taken, len(rows) - 1)]
            taken += 1
            return ServiceLook(endpoints={"dashboard": answer}, alarms=(Alarm(name="errors", state=state),))

        monkeypatch.setattr(_watching, "look_at_service", look)
        return _watching.detect(load_environment("prod"), Severity.CRITICAL).health.verdict, taken

    return detect


def test_an_alarm_that_clears_was_a_hiccup(detected: Callable[..., tuple[Verdict, int]]) -> None:
    """It fires, every answer is good, and at CloudWatch's next evaluation it is clear: nothing is wrong."""
    assert detected([(GOOD, FIRES), (GOOD, FIRES), (GOOD, CLEAR)]) == (Verdict.PASS, 3)


def test_an_alarm_that_goes_on_firing_counts(detected: Callable[..., tuple[Verdict, int]]) -> None:
    """After a minute it still fires: it sees what the endpoint does not."""
    verdict, taken = detected([(GOOD, FIRES)])

    assert verdict is Verdict.FAIL
    assert taken > 2


@pytest.mark.parametrize("rows", [[(BAD, FIRES)], [(BAD, CLEAR), (BAD, CLEAR)]])
def test_two_that_agree_need_no_waiting(
    detected: Callable[..., tuple[Verdict, int]], rows: list[tuple[Look, AlarmState]]
) -> None:
    """A bad answer and an alarm, or two bad answers: it is broken, at once."""
    assert detected(rows) == (Verdict.FAIL, len(rows))


def test_the_first_bad_answer_ends_the_waiting(detected: Callable[..., tuple[Verdict, int]]) -> None:
    """While an alarm alone is watched, an endpoint that fails agrees with it."""
    assert detected([(GOOD, FIRES), (GOOD, FIRES), (BAD, FIRES)]) == (Verdict.FAIL, 3)
