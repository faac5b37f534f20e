"""Which alarm starts what, and which incident it belongs to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rules.alarms import Alarm, AlarmStatus
from rules.outcomes import Ending
from rules.triggers import (
    BLIND_SECONDS,
    AlarmRoutes,
    Route,
    Standing,
    correlate,
    incident_key,
    matter_of,
    route,
)

NOW = datetime(2026, 1, 31, 3, 12, tzinfo=UTC)
COOLDOWN = timedelta(minutes=5)
TABLE = AlarmRoutes.model_validate(
    {
        "environments": {
            "prod": {"account": "111111111111", "region": "us-east-1"},
            "preprod": {"account": "222222222222", "region": "us-east-1"},
        },
        "routes": [
            {
                "alarm": "prod-sentiment-slow",
                "scenario": "slow",
                "environment": "prod",
                "parameters": {"severe": True},
            },
            {"alarm": "prod-sentiment-*", "scenario": "canary-failure", "environment": "prod"},
            {"alarm": "preprod-*", "scenario": "canary-failure", "environment": "preprod"},
            {
                "alarm": "Canary*",
                "source": "alertmanager",
                "labels": {"environment": "prod*"},
                "scenario": "canary-failure",
                "environment": "prod",
            },
        ],
    }
)


def alarm(**changes: Any) -> Alarm:
    """A firing alarm of prod."""
    told = {
        "source": "sns",
        "external_id": "m1",
        "name": "prod-sentiment-errors",
        "status": AlarmStatus.ALARM,
        "occurred_at": NOW,
        "account": "111111111111",
        "region": "us-east-1",
    }
    return Alarm.model_validate(told | changes)


@pytest.mark.parametrize(
    ("changes", "scenario", "environment"),
    [
        ({}, "canary-failure", "prod"),
        ({"name": "prod-sentiment-slow"}, "slow", "prod"),
        ({"name": "preprod-x", "account": "222222222222"}, "canary-failure", "preprod"),
        (
            {
                "name": "CanaryFailed",
                "source": "alertmanager",
                "labels": {"environment": "prod-eu"},
                "account": "",
                "region": "",
            },
            "canary-failure",
            "prod",
        ),
    ],
)
def test_first_route_that_fits(changes: dict[str, Any], scenario: str, environment: str) -> None:
    """The first route whose patterns fit names scenario and environment."""
    led = route(alarm(**changes), TABLE)

    assert led.route is not None
    assert (led.route.scenario, led.route.environment) == (scenario, environment)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"status": AlarmStatus.OK}, "says ok"),
        ({"status": AlarmStatus.UNKNOWN}, "says unknown"),
        ({"name": "staging-x"}, "no route fits"),
        ({"name": "PROD-SENTIMENT-ERRORS"}, "no route fits"),
        ({"account": "222222222222"}, "account is 222222222222"),
        ({"account": ""}, "account is not named"),
        ({"region": "eu-west-1"}, "region is eu-west-1"),
        ({"name": "CanaryFailed", "labels": {"environment": "prod"}}, "no route fits"),
        ({"name": "CanaryFailed", "source": "alertmanager"}, "no route fits"),
        (
            {
                "name": "CanaryFailed",
                "source": "alertmanager",
                "labels": {"environment": "prod"},
                "account": "9",
            },
            "account is 9",
        ),
        ({"account": "", "region": "", "source": "alertmanager"}, "account is not named"),
    ],
)
def test_what_starts_nothing(changes: dict[str, Any], reason: str) -> None:
    """An alarm that is not firing, fits no route, or comes from a wrong place starts nothing, and says why."""
    led = route(alarm(**changes), TABLE)

    assert led.route is None
    assert reason in led.reason


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            {"routes": [{"alarm": "x", "scenario": "y-z", "environment": "nowhere"}]},
            "not under `environments`",
        ),
        ({"routes": [{"alarm": "x", "scenario": "../x", "environment": "prod"}]}, "scenario"),
        ({"routes": [{"alarm": "x", "scenaro": "y", "environment": "prod"}]}, "scenaro"),
        (
            {
                "routes": [
                    {
                        "alarm": "x",
                        "scenario": "yy",
                        "environment": "prod",
                        "parameters": {"environment": "a"},
                    }
                ]
            },
            "may not set environment",
        ),
        ({"environments": {"prod": {"account": "111111111111"}}}, "belong together"),
        (
            {
                "environments": {"prod": {}},
                "routes": [{"alarm": "x", "scenario": "yy", "environment": "prod"}],
            },
            "needs `source`",
        ),
        ({"environments": {"prod": {"account": "1", "region": "us-east-1"}}}, "account"),
        ({"colldown": 5}, "colldown"),
    ],
)
def test_wrong_tables(change: dict[str, Any], fault: str) -> None:
    """A table that is wrong or misspelt is refused, and the error names the place."""
    environments = {"prod": {"account": "111111111111", "region": "us-east-1"}}

    with pytest.raises(ValidationError, match=fault):
        AlarmRoutes.model_validate({"environments": environments} | change)


CLOSED = Standing(
    key="k",
    incident="inc-1",
    settled_at=NOW,
    closed_at=NOW + timedelta(seconds=4),
    ending=Ending.RECOVERED,
)


def moments(seconds: float) -> datetime:
    """A time relative to NOW."""
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("standing", "occurred_at", "joins"),
    [
        (Standing(), NOW, False),
        (Standing(key="k", awaited=True), NOW, True),
        (Standing(key="k", awaited=True, run_is_over=True), NOW, False),
        (Standing(key="k", incident="inc-1"), NOW, True),
        (Standing(key="k", incident="inc-1", orphaned=True), NOW, False),
        (Standing(key="k", incident="inc-1", orphaned=True, awaited=True), NOW, True),
        (Standing(key="k", incident="inc-1", orphaned=True, awaited=True, run_is_over=True), NOW, False),
        (CLOSED, moments(-BLIND_SECONDS), True),
        (CLOSED, moments(-BLIND_SECONDS + 0.1), False),
        (CLOSED, moments(60), False),
        (CLOSED.model_copy(update={"settled_at": None}), moments(-1), True),
        (CLOSED.model_copy(update={"ending": Ending.NOT_RECOVERED}), moments(300), True),
        (CLOSED.model_copy(update={"ending": Ending.UNDO_FAILED}), moments(60), True),
        (CLOSED.model_copy(update={"ending": Ending.NOT_RECOVERED}), moments(305), False),
        (CLOSED.model_copy(update={"ending": Ending.REFUSED}), moments(60), False),
        (CLOSED.model_copy(update={"awaited": True}), moments(60), True),
    ],
)
def test_placement(standing: Standing, occurred_at: datetime, joins: bool) -> None:
    """An alarm joins what handles it or has seen it; whatever else is the beginning of a new incident."""
    placed = correlate("alm-2", occurred_at, "canary-failure", "prod", standing, COOLDOWN)

    assert placed is not None
    assert placed.begins is not joins
    assert (placed.key == "k") is joins


def test_one_death_is_taken_up_once() -> None:
    """All alarms that find the same dead run name the same new run; after the next death another one."""
    dead = Standing(key="k", incident="inc-1", orphaned=True, runs=1)
    placed = [correlate(f"alm-{n}", NOW, "canary-failure", "prod", dead, COOLDOWN) for n in range(5)]
    keys = {one.key for one in placed if one}
    again = correlate("alm-9", NOW, "canary-failure", "prod", dead.model_copy(update={"runs": 2}), COOLDOWN)

    assert len(keys) == 1
    assert again is not None
    assert again.key not in keys


@pytest.mark.parametrize(
    ("standing", "waits"),
    [
        (Standing(key="k", awaited=True), True),
        (Standing(key="k", awaited=True, run_is_over=True), False),
        (Standing(key="k", incident="inc-1"), True),
        (Standing(key="k", incident="inc-1", orphaned=True), True),
        (CLOSED, False),
        (CLOSED.model_copy(update={"ending": Ending.NOT_RECOVERED}), False),
        (CLOSED.model_copy(update={"awaited": True}), True),
    ],
)
def test_another_matter_is_not_the_same_incident(standing: Standing, waits: bool) -> None:
    """Another failed run waits until the one in hand is over, and then begins its own, however early it failed."""
    known = standing.model_copy(update={"matter": matter_of({"run": 1})})
    placed = correlate("alm-2", moments(-99), "tests-fail", "dev", known, COOLDOWN, matter_of({"run": 2}))
    same = correlate("alm-2", moments(-99), "tests-fail", "dev", known, COOLDOWN, matter_of({"run": 1}))

    assert (placed is None) is waits
    assert placed is None or (placed.begins and placed.key != "k")
    assert same is not None


def test_what_no_alarm_began_is_joined() -> None:
    """An incident that a person began is about whatever fires meanwhile."""
    placed = correlate("a", NOW, "s", "prod", Standing(key="k", incident="inc-1"), COOLDOWN, "other")

    assert placed is not None
    assert placed.key == "k"


names = st.from_regex(r"\A[a-z][a-z0-9-]{1,60}\Z")


@given(names, names, st.text(min_size=1), st.text(min_size=1))
def test_keys(scenario: str, environment: str, one: str, other: str) -> None:
    """A key fits its column, is the same for the same episode, and differs for another one."""
    key = incident_key(scenario, environment, one)

    assert len(key) <= 80
    assert key == incident_key(scenario, environment, one)
    assert (key == incident_key(scenario, environment, other)) is (one == other)


@given(
    st.lists(
        st.tuples(st.floats(-3600, 3600), st.text("abc", min_size=3, max_size=9)), min_size=1, max_size=30
    )
)
def test_many_alarms_in_any_order_begin_one_incident(told: list[tuple[float, str]]) -> None:
    """However many alarms come, and in whatever order: the first one begins, all others join it."""
    standing, begun, keys = Standing(), 0, set()
    for seconds, identity in told:
        placed = correlate(identity, moments(seconds), "canary-failure", "prod", standing, COOLDOWN)
        assert placed is not None
        begun += placed.begins
        keys.add(placed.key)
        standing = Standing(key=placed.key, awaited=True)

    assert (begun, len(keys)) == (1, 1)


HANDED_ON = Route(
    alarm="*",
    scenario="tests-fail",
    environment="prod",
    parameters={
        "run": "{run_id}",
        "commit": "{sha}",
        "deep": True,
        "text": "of {sha}",
        "pull": "{pull_request}",
    },
)


def test_labels_are_handed_on() -> None:
    """A label becomes the parameter it stands for, a number where one is wanted; what is missing is left out."""
    labels = {"run_id": "9001", "sha": "1234567"}

    assert HANDED_ON.given(labels, {"run"}) == {
        "run": 9001,
        "commit": "1234567",
        "deep": True,
        "text": "of {sha}",
    }


@pytest.mark.parametrize("told", ["12x", "-1", "1.5", "٣x", " 1"])
def test_no_number(told: str) -> None:
    """What is no whole number stays what it is: the flow refuses it, instead of running with a guess."""
    assert HANDED_ON.given({"run_id": told}, {"run"})["run"] == told


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"account": "111111111111", "region": "us-east-1"}, "account is 111111111111, masking is in none"),
        ({"source": "pipeline"}, "no route fits"),
        ({"labels": {"environment": "other"}}, "no route fits"),
        ({"labels": {}}, "no route fits"),
        ({"status": AlarmStatus.OK}, "only an alarm that fires"),
    ],
)
def test_a_place_without_an_account_takes_what_its_sender_tells(changes: dict[str, Any], reason: str) -> None:
    """A Docker stack is in no account: only its own sender's alarms lead there, and none from elsewhere."""
    table = AlarmRoutes.model_validate(
        {
            "environments": {"masking": {}},
            "routes": [
                {
                    "alarm": "ContainerDown",
                    "source": "alertmanager",
                    "labels": {"environment": "masking"},
                    "scenario": "container-start-failure",
                    "environment": "masking",
                }
            ],
        }
    )
    told = {"name": "ContainerDown", "source": "alertmanager", "labels": {"environment": "masking"}}
    found = route(alarm(**{**told, "account": "", "region": "", **changes}), table)

    assert (found.route is None) is bool(reason)
    assert reason in found.reason
