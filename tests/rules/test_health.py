"""Judging a service, with three answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import health
from rules.health import Alarm, AlarmState, Look, RunningCode
from rules.outcomes import Check, Verdict
from rules.severity import Severity

GOOD = Look(verdict=Verdict.PASS, reason="says 'healthy'", release="4f0c9e1")
BAD = Look(verdict=Verdict.FAIL, reason="answered 503")
BLIND = Look(verdict=Verdict.INCONCLUSIVE, reason="could not be asked: no key")
OTHER = Look(verdict=Verdict.PASS, reason="says 'healthy'", release="b81d22e")
WANTED = "4f0c9e1d7ab2000000000000000000000000abcd"


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([GOOD], Verdict.INCONCLUSIVE),
        ([GOOD, GOOD], Verdict.INCONCLUSIVE),
        ([GOOD, GOOD, GOOD], Verdict.PASS),
        ([BAD, BLIND, OTHER, GOOD, GOOD, GOOD], Verdict.PASS),
        ([GOOD, GOOD, BAD], Verdict.FAIL),
        ([GOOD, BAD, GOOD, GOOD], Verdict.INCONCLUSIVE),
        ([GOOD, GOOD, GOOD, BLIND], Verdict.INCONCLUSIVE),
        ([GOOD, GOOD, GOOD, OTHER], Verdict.FAIL),
        ([GOOD, OTHER, GOOD, GOOD], Verdict.INCONCLUSIVE),
    ],
)
def test_an_endpoint_must_answer_well_several_times_in_a_row(looks: list[Look], verdict: Verdict) -> None:
    """Three good answers of the wanted release at the end, and nothing less."""
    assert health.judge_endpoint("dashboard", looks, 3, WANTED).verdict is verdict


def test_a_shortened_commit_is_the_same_release() -> None:
    """Services answer with a short commit; a few common digits are not enough."""
    assert health.same_release("4f0c9e1", WANTED)
    assert not health.same_release("4f0c", WANTED)
    assert not health.same_release("b81d22e", WANTED)


def alarm(state: AlarmState = AlarmState.OK, *, enabled: bool = True, name: str = "errors") -> Alarm:
    """One alarm."""
    return Alarm(name=name, state=state, actions_enabled=enabled)


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (alarm(), Verdict.PASS),
        (alarm(AlarmState.ALARM), Verdict.FAIL),
        (alarm(AlarmState.INSUFFICIENT_DATA), Verdict.INCONCLUSIVE),
        (alarm(enabled=False), Verdict.INCONCLUSIVE),
        (alarm(AlarmState.ALARM, enabled=False), Verdict.FAIL),
    ],
)
def test_only_a_live_ok_is_green(now: Alarm, verdict: Verdict) -> None:
    """No data is not green, and neither is an alarm that would tell nobody."""
    [check] = health.judge_alarms("prod-", [(0.0, [now])], 0)

    assert check.verdict is verdict


def test_an_empty_answer_is_not_health() -> None:
    """A prefix that matches nothing proves nothing."""
    [check] = health.judge_alarms("prod-", [(0.0, [])], 0)

    assert check.verdict is Verdict.INCONCLUSIVE


def test_an_alarm_must_stay_clear_without_a_break() -> None:
    """The clock starts again at every look that was not OK."""
    looks = [(0.0, [alarm()]), (10.0, [alarm(AlarmState.ALARM)]), (20.0, [alarm()]), (49.0, [alarm()])]

    assert health.judge_alarms("p", looks, 30)[0].verdict is Verdict.INCONCLUSIVE
    assert health.judge_alarms("p", [*looks, (50.0, [alarm()])], 30)[0].verdict is Verdict.PASS


@given(st.lists(st.tuples(st.floats(0, 60), st.sampled_from(list(AlarmState))), min_size=1, max_size=20))
def test_an_alarm_passes_only_if_every_look_of_the_period_was_ok(
    told: list[tuple[float, AlarmState]],
) -> None:
    """Whatever came before, a pass means: OK at every look of the last 30 seconds, and looked at for so long."""
    looks = [(at, [alarm(state)]) for at, state in sorted(told, key=lambda pair: pair[0])]

    [check] = health.judge_alarms("p", looks, 30)

    if check.verdict is Verdict.PASS:
        now = looks[-1][0]
        assert all(seen[0].state is AlarmState.OK for at, seen in looks if at >= now - 30)
        assert looks[0][0] <= now - 30


CODE = RunningCode(function="prod-x", sha256="aa" * 32)


@pytest.mark.parametrize(
    ("live", "verdict"),
    [
        (CODE, Verdict.PASS),
        (CODE.model_copy(update={"sha256": "bb" * 32}), Verdict.FAIL),
        (CODE.model_copy(update={"settled": False}), Verdict.INCONCLUSIVE),
        (CODE.model_copy(update={"active": False}), Verdict.FAIL),
        (CODE.model_copy(update={"also": {"7": 0.1}}), Verdict.FAIL),
    ],
)
def test_code_is_proven_by_what_all_callers_get(live: RunningCode, verdict: Verdict) -> None:
    """Ten percent of the calls on another version is not the wanted state."""
    assert health.judge_code(live, "aa" * 32).verdict is verdict


@pytest.mark.parametrize(
    ("exit_code", "changes", "drift", "verdict"),
    [
        (0, [], [], Verdict.PASS),
        (0, [], ["aws_lambda_function.a"], Verdict.FAIL),
        (2, ["aws_lambda_function.a"], [], Verdict.FAIL),
        (2, [], [], Verdict.FAIL),
    ],
)
def test_no_changes_alone_is_not_agreement(
    exit_code: int, changes: list[str], drift: list[str], verdict: Verdict
) -> None:
    """Code that was set outside Terraform is drift, and no change of its plan."""
    assert health.judge_terraform(exit_code, changes, drift).verdict is verdict


def test_waiting_ends_when_it_is_hopeless() -> None:
    """A dozen bad answers in a row are no slow start; one good one gives hope again."""
    assert health.hopeless({"dashboard": [BAD] * health.HOPELESS_LOOKS}) == "dashboard"
    assert health.hopeless({"dashboard": [*[BAD] * health.HOPELESS_LOOKS, GOOD, *[BAD] * 3]}) == ""
    assert health.hopeless({"dashboard": [BAD] * 3}) == ""


@pytest.mark.parametrize(
    ("verdicts", "severity", "verdict"),
    [
        ([Verdict.PASS, Verdict.PASS], Severity.LOW, Verdict.PASS),
        ([Verdict.PASS, Verdict.INCONCLUSIVE], Severity.MEDIUM, Verdict.INCONCLUSIVE),
        ([Verdict.INCONCLUSIVE, Verdict.FAIL], Severity.CRITICAL, Verdict.FAIL),
        ([], Severity.MEDIUM, Verdict.INCONCLUSIVE),
    ],
)
def test_a_finding_is_as_bad_as_its_worst_check(
    verdicts: list[Verdict], severity: Severity, verdict: Verdict
) -> None:
    """A failure is critical, doubt is medium, and nothing looked at is doubt."""
    found = health.finding(
        [Check(name=f"check {n}", verdict=v, reason="so") for n, v in enumerate(verdicts)], Severity.CRITICAL
    )

    assert (found.severity, found.health.verdict) == (severity, verdict)
    assert found.summary


def test_a_function_that_cannot_serve_is_a_finding() -> None:
    """Inactive functions fail, updating ones cannot be judged yet."""
    seen = [CODE, CODE.model_copy(update={"active": False}), CODE.model_copy(update={"settled": False})]

    verdicts = [check.verdict for check in health.judge_service(seen)]

    assert verdicts == [Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE]
