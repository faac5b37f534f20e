"""Which drill is next, whether it may begin, and how it went."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rules.drill_grades import Heard, Incident, Observed, graded, stop_reason
from rules.drill_permission import Circumstances, hindrances
from rules.drill_records import PastDrill, drill_records, passed_total
from rules.drills import FAULT_KINDS, AllowedDrill, DrillPolicy, DrillWindow, FaultName, in_turn
from rules.errors import RecoveryRefused
from rules.outcomes import Ending, Verdict
from rules.promises import PROMISES
from rules.rollback_targets import Deployment, known_broken
from rules.severity import Tier
from rules.spoilt_items import digest, spoilt_attribute
from rules.track_records import Past, deliveries, false_starts, records

NOW = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
"""A Wednesday, 11:30 in Paris."""
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/billing"
RELEASE = AllowedDrill(fault=FaultName.BROKEN_RELEASE)
LOCK = AllowedDrill(fault=FaultName.HELD_LOCK, alarm="state-locked")
URGENT = AllowedDrill(fault=FaultName.ALARM_ONLY, scenario="rollback-failure", alarm="x", emergency=True)
POLICY = DrillPolicy(allowed=(RELEASE, LOCK, URGENT))


def test_nothing_is_allowed_where_nothing_is_said() -> None:
    """The safe default: an environment without a policy is never broken on purpose."""
    with pytest.raises(RecoveryRefused, match="allows no drill"):
        in_turn(DrillPolicy(), {})


@pytest.mark.parametrize(
    ("last", "asked", "wanted"),
    [
        ({}, {}, RELEASE),
        ({RELEASE: 1}, {}, LOCK),
        ({RELEASE: 1, LOCK: 2}, {}, LOCK),
        ({RELEASE: 2, LOCK: 1}, {}, RELEASE),
        ({RELEASE: 1, LOCK: 2, URGENT: 9}, {}, LOCK),
        ({}, {"emergency": True}, URGENT),
        ({}, {"scenario": "rollback-failure"}, URGENT),
        ({RELEASE: 1}, {"fault": "broken-release"}, RELEASE),
    ],
)
def test_the_one_never_drilled_comes_first_then_the_one_drilled_longest_ago(
    last: dict[AllowedDrill, int], asked: dict[str, Any], wanted: AllowedDrill
) -> None:
    """Days ago by drill; emergency paths have turns of their own."""
    told = {(d.fault.value, d.drills): NOW - timedelta(days=days) for d, days in last.items()}

    assert in_turn(POLICY, told, **asked) == wanted


@given(st.integers(1, 4))
def test_round_robin_drills_each_once_before_any_twice(rounds: int) -> None:
    """Whatever was drilled before, every allowed one has its turn."""
    last: dict[tuple[str, str], datetime] = {}
    for number in range(2 * rounds):
        chosen = in_turn(POLICY, last)
        last[chosen.fault.value, chosen.drills] = NOW + timedelta(days=number)
        assert len(last) == min(number + 1, 2)


def test_what_is_not_allowed_is_refused_and_what_is_is_named() -> None:
    """The hint is the list to choose from."""
    with pytest.raises(RecoveryRefused) as refused:
        in_turn(POLICY, {}, fault="killed-gateway")

    assert "held-lock for stale-terraform-lock" in refused.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"allowed": [{"fault": "held-lock"}]},
        {"allowed": [{"fault": "alarm-only", "alarm": "x"}]},
        {"allowed": [{"fault": "alarm-only", "alarm": "x", "scenario": "no-such"}]},
        {"allowed": [{"fault": "broken-release"}, {"fault": "broken-release"}]},
        {"allowed": [{"fault": "rm-rf"}]},
        {"allowed": [{"fault": "wrong-queue", "alarm": "strays"}]},
        {"allowed": [{"fault": "wrong-queue", "alarm": "strays", "queue": "billing"}]},
        {"allowed": [{"fault": "wrong-queue", "queue": QUEUE}]},
        {"allowed": [{"fault": "broken-release", "queue": QUEUE}]},
        {"allowed": [{"fault": "polluted-table"}]},
        {"allowed": [{"fault": "polluted-table", "table": "items", "queue": QUEUE}]},
        {"allowed": [{"fault": "polluted-table", "table": "items", "alarm": "damaged"}]},
        {"allowed": [{"fault": "polluted-table", "table": "items", "scenario": "canary-failure"}]},
        {"timezone": "Mars/Olympus"},
        {"window": {"start": "10:00", "end": "10:00"}},
        {"window": {"start": "10:00", "end": "11:00", "weekdays": []}},
        {"prodution": True},
    ],
)
def test_a_wrong_policy_is_refused(wrong: dict[str, Any]) -> None:
    """A misunderstanding is found when the file is read, not when something is broken by it."""
    with pytest.raises(ValidationError):
        DrillPolicy.model_validate(wrong)


def test_every_fault_is_known_and_drills_a_scenario_with_a_promise() -> None:
    """What a drill is graded by is there."""
    assert set(FAULT_KINDS) == set(FaultName)
    assert {kind.scenario for kind in FAULT_KINDS.values()} - {""} <= PROMISES.keys()


def test_an_item_is_known_again_by_a_digest_that_tells_nothing_of_its_key() -> None:
    """The same item in the same drill alone; of its attributes a text goes first, and never one of the key."""
    key, item = ("id",), {"id": {"S": "jane"}, "a": {"N": "1"}, "b": {"S": "x"}}
    one = digest(item, key, "drl-1")

    assert one == digest({"id": {"S": "jane"}}, key, "drl-1")
    assert len({one, digest(item, key, "drl-2"), digest({"id": {"S": "joe"}}, key, "drl-1")}) == 3
    assert "jane" not in one
    assert spoilt_attribute(item, key) == "b"
    assert spoilt_attribute({"id": {"S": "jane"}, "a": {"N": "1"}}, key) == "a"
    assert spoilt_attribute({"id": {"S": "jane"}}, key) == ""


def at(**changes: Any) -> Circumstances:
    """A staging environment where nothing is the matter, or something."""
    return Circumstances(tier=Tier.STAGING, platform="lambda", now=NOW).model_copy(update=changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"open_incident": "inc-1"}, "inc-1 is open"),
        ({"other_drill": "drl-1"}, "drl-1 has not ended"),
        ({"freeze": "it is frozen until"}, "frozen"),
        ({"lever": "the stop lever (all) was pulled"}, "stop lever"),
        ({"firing": ("one", "two")}, "fires already: one, two"),
        ({"nobody_comes": "no alarm leads"}, "no alarm leads"),
        ({"platform": "docker_stack"}, "is one of the platform lambda"),
        ({"tier": Tier.PRODUCTION}, "does not allow drills there"),
    ],
)
def test_anything_else_that_is_the_matter_keeps_a_drill_from_beginning(
    changes: dict[str, Any], said: str
) -> None:
    """Each alone suffices."""
    assert hindrances(RELEASE, POLICY, at()) == ()

    [reason] = hindrances(RELEASE, POLICY, at(**changes))

    assert said in reason


@pytest.mark.parametrize(
    ("policy", "people", "said"),
    [
        ({}, {"approver": "kim"}, ["does not allow"]),
        ({"production": True}, {"approver": "kim"}, ["names no window"]),
        ({"production": True, "window": (9, 12)}, {}, ["nobody approved"]),
        (
            {"production": True, "window": (9, 12)},
            {"approver": "Kim ", "requester": "kim"},
            ["the requester's own"],
        ),
        ({"production": True, "window": (1, 2)}, {"approver": "kim"}, ["outside the window"]),
        ({"production": True, "window": (9, 12)}, {"approver": "kim", "requester": "jo"}, []),
    ],
)
def test_production_needs_its_policy_a_window_and_another_persons_approval(
    policy: dict[str, Any], people: dict[str, str], said: list[str]
) -> None:
    """All three, or it is left alone."""
    hours = policy.pop("window", None)
    window = DrillWindow(start=time(hours[0]), end=time(hours[1])) if hours else None
    told = DrillPolicy(allowed=(RELEASE,), window=window, **policy)

    found = hindrances(RELEASE, told, at(tier=Tier.PRODUCTION, **people))

    assert [wanted in reason for wanted, reason in zip(said, found, strict=True)] == [True] * len(said)


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-07-01T07:59", False),  # 9:59 in Paris
        ("2026-07-01T08:00", True),
        ("2026-12-02T08:30", False),  # 9:30: in winter Paris is an hour nearer
        ("2026-12-02T09:00", True),
        ("2026-07-01T09:59", True),
        ("2026-07-01T10:00", False),
        ("2026-07-04T08:30", False),  # Saturday
    ],
)
def test_the_window_is_local_time(moment: str, inside: bool) -> None:
    """Ten to twelve in Paris is that all year, on working days."""
    window = DrillWindow(start=time(10), end=time(12))
    policy = DrillPolicy(allowed=(RELEASE,), window=window, timezone="Europe/Paris")

    assert (not hindrances(RELEASE, policy, at(now=datetime.fromisoformat(moment + ":00+00:00")))) == inside


@pytest.mark.parametrize(
    ("hour", "day", "inside"), [(23, 1, True), (1, 2, True), (1, 1, False), (12, 1, False)]
)
def test_a_window_past_midnight_belongs_to_the_day_it_starts_on(hour: int, day: int, inside: bool) -> None:
    """Wednesday night reaches into Thursday."""
    window = DrillWindow(weekdays=("wed",), start=time(22), end=time(3))

    assert window.holds(datetime(2026, 7, day, hour)) == inside  # noqa: DTZ001 - local time has no zone here


OPENED = NOW + timedelta(seconds=20)
GOOD = Incident(
    id="inc-1", opened_at=OPENED, closed_at=OPENED + timedelta(seconds=100), ending=Ending.RECOVERED
)
SEEN = Observed(
    scenario="canary-failure",
    promised_seconds=120,
    injected_at=NOW,
    incident=GOOD,
    steady_after=Verdict.PASS,
)


def incident(**changes: Any) -> Incident:
    """The incident, but for something."""
    return GOOD.model_copy(update=changes)


@pytest.mark.parametrize(
    ("changes", "grade", "said"),
    [
        ({}, Verdict.PASS, "recovered in 100 s, 120 s are promised"),
        ({"promised_seconds": 60}, Verdict.FAIL, "60 s are promised"),
        ({"promised_seconds": 60, "incident": incident(waited_seconds=50)}, Verdict.PASS, "in 50 s"),
        ({"incident": incident(ending=Ending.NOT_RECOVERED, reason="no rung")}, Verdict.FAIL, "no rung"),
        ({"incident": incident(ending=Ending.REFUSED)}, Verdict.FAIL, "refused"),
        ({"incident": incident(ending=Ending.NOTHING_TO_DO)}, Verdict.FAIL, "nothing to do"),
        (
            {"incident": incident(ending=Ending.NOTHING_TO_DO), "alarm_only": True, "heard": Heard.DELIVERED},
            Verdict.PASS,
            "nothing to do",
        ),
        # Where only the way of the alarm is drilled, it must have been the webhook's.
        ({"alarm_only": True, "heard": Heard.ASKED}, Verdict.FAIL, "only found by asking"),
        ({"heard": Heard.ASKED}, Verdict.PASS, "only found by asking"),
        ({"alarm_only": True, "incident": None, "late": True}, Verdict.FAIL, "never reached Backstop"),
        (
            {"alarm_only": True, "incident": None, "late": True, "heard": Heard.DELIVERED},
            Verdict.FAIL,
            "no incident came of it",
        ),
        ({"alarm_only": True, "incident": None, "stopped": "the lever"}, Verdict.INCONCLUSIVE, "lever"),
        ({"incident": None, "late": True, "stopped": "over"}, Verdict.INCONCLUSIVE, "over"),
        ({"steady_after": Verdict.FAIL, "after": ("x",)}, Verdict.FAIL, "not well afterwards: x"),
        ({"left_broken": True}, Verdict.FAIL, "still there"),
        ({"differences": ("code was 1 and is 2",)}, Verdict.FAIL, "not as it was before: code"),
        ({"steady_after": Verdict.INCONCLUSIVE}, Verdict.INCONCLUSIVE, "could not be told"),
        ({"not_steady": ("alarm x",)}, Verdict.INCONCLUSIVE, "not well before: alarm x"),
        ({"incident": incident(by_alarm=False)}, Verdict.INCONCLUSIVE, "by a person"),
        ({"incident": None}, Verdict.INCONCLUSIVE, "no alarm started"),
        ({"incident": incident(closed_at=None), "stopped": "stopped: time"}, Verdict.INCONCLUSIVE, "time"),
        ({"stopped": "stopped: an alarm outside"}, Verdict.INCONCLUSIVE, "an alarm outside"),
        ({"injected_at": None, "stopped": "no bad release"}, Verdict.INCONCLUSIVE, "no bad release"),
        ({"died": True}, Verdict.INCONCLUSIVE, "process died"),
        # A failure of the recovery is one, whatever stopped the drill after it.
        ({"stopped": "stopped", "left_broken": True}, Verdict.FAIL, "still there"),
    ],
)
def test_a_drill_is_graded_by_what_was_seen(changes: dict[str, Any], grade: Verdict, said: str) -> None:
    """Row by row; what says nothing about the recovery is neither pass nor fail."""
    found = graded(SEEN.model_copy(update=changes))

    assert found.grade is grade
    assert said in "; ".join(found.reasons)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"lever": "the lever"}, "the lever"),
        ({"other_incidents": ("inc-9",)}, "inc-9 came up"),
        ({"other_alarms": ("disk",)}, "outside the drill fires: disk"),
        ({"gives_up_at": NOW - timedelta(seconds=1)}, "not over by"),
    ],
)
def test_whatever_is_not_the_drills_own_stops_it(changes: dict[str, Any], said: str) -> None:
    """It may be real."""
    told: dict[str, Any] = {
        "now": NOW,
        "gives_up_at": NOW,
        "lever": "",
        "other_incidents": (),
        "other_alarms": (),
    }

    found = stop_reason(**(told | changes))

    assert said in found
    assert bool(found) == bool(said)


def test_a_broken_release_is_one_whose_last_verification_failed() -> None:
    """The newest first; one that was proven later is no bad release any more."""

    def deployed(day: int, release: str, verdict: Verdict | None) -> Deployment:
        return Deployment(release=release, deployed_at=NOW + timedelta(days=day), verdict=verdict)

    history = [
        deployed(1, "one", Verdict.FAIL),
        deployed(2, "two", Verdict.FAIL),
        deployed(3, "three", Verdict.FAIL),
        deployed(4, "two", Verdict.PASS),
        deployed(5, "one", None),
    ]

    assert known_broken(history) == ("three", "one")


def test_drills_are_counted_by_environment_and_scenario() -> None:
    """An inconclusive one is neither a pass nor a failure."""

    def past(environment: str, *grades: Verdict) -> list[PastDrill]:
        return [PastDrill(environment=environment, scenario="canary-failure", grade=each) for each in grades]

    told = [*past("qa", Verdict.PASS, Verdict.INCONCLUSIVE), *past("prod", Verdict.FAIL, Verdict.PASS)]

    found = drill_records(told)

    assert [(r.environment, r.passed.good, r.passed.of, r.inconclusive) for r in found] == [
        ("prod", 1, 2, 0),
        ("qa", 1, 1, 1),
    ]
    assert passed_total(found).of == 3


def test_a_drills_incident_is_no_failed_deployment_and_no_false_start() -> None:
    """What was broken on purpose says nothing of how deployments go; how its recovery went counts as others do."""

    def past(*, drill: bool) -> Past:
        return Past(
            scenario="canary-failure",
            environment="preprod",
            ending=Ending.RECOVERED,
            opened_at=NOW,
            closed_at=NOW,
            occurred_at=NOW,
            drill=drill,
        )

    told = [
        past(drill=True),
        past(drill=False),
        past(drill=True).model_copy(update={"ending": Ending.NOTHING_TO_DO}),
    ]

    [delivery] = deliveries(told, {"preprod": 9})

    assert (delivery.change_failures.good, false_starts(told).of) == (1, 1)
    assert records(told)[0].recovered.good == 2
