"""Each fault of a drill on the thing itself: brought about, found, undone, and undone again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import boto3
import pytest
from moto import mock_aws

from blocks.environment import Environment
from rules.drills import AllowedDrill, FaultName
from rules.errors import RecoveryRefused
from tasks._function_code import give_code
from tasks.drill_faults import Wish, inject_fault, prepare_fault, undo_fault, world_of
from tasks.drill_faults.broken_release import _packages as packages_of
from tests.flows.drill_world import DrillWorld
from tests.tasks.lambda_service import ALIASED, PLAIN, REGION

RELEASE = AllowedDrill(fault=FaultName.BROKEN_RELEASE)
ONLY = AllowedDrill(fault=FaultName.ALARM_ONLY, scenario="stuck-alarm", alarm="state-locked")
WISH = Wish(drill="drl-1", broken=("gone", "good", "bad"))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[DrillWorld]:
    """Release `good` is live."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield DrillWorld.made()


def test_a_bad_release_goes_live_and_the_good_one_comes_back(world: DrillWorld) -> None:
    """The newest bad one whose packages are there and which is not live already; undone again, nothing is done."""
    before, note = world_of(world.environment), prepare_fault(world.environment, RELEASE, WISH)

    inject_fault(world.environment, RELEASE.fault, note)
    assert world.runs("bad")
    inject_fault(world.environment, RELEASE.fault, note)
    left = undo_fault(world.environment, RELEASE.fault, note)

    assert world.runs("good")
    assert (PLAIN in left[0], ALIASED in left[0], left[1]) == (True, True, "")
    assert world_of(world.environment) == before
    assert undo_fault(world.environment, RELEASE.fault, note) == ("", "")


def test_a_deployment_killed_between_code_and_alias_is_undone_too(world: DrillWorld) -> None:
    """Callers see nothing of it yet, and the next deployment would publish it."""
    note = prepare_fault(world.environment, RELEASE, WISH)
    give_code(world.environment, ALIASED, packages_of(note, "bad ")[ALIASED])

    left, _ = undo_fault(world.environment, RELEASE.fault, note)

    assert world.runs("good")
    assert (ALIASED in left, PLAIN in left) == (True, False)


def test_what_a_recovery_has_put_right_is_left_alone(world: DrillWorld) -> None:
    """Another release that was deployed meanwhile stays."""
    note = prepare_fault(world.environment, RELEASE, WISH)
    inject_fault(world.environment, RELEASE.fault, note)
    world.put_package("other")
    world.deploy("other")

    assert undo_fault(world.environment, RELEASE.fault, note) == ("", "")
    assert world.runs("other")


@pytest.mark.parametrize("broken", [(), ("gone",), ("good",)])
def test_without_a_bad_release_nothing_is_broken(world: DrillWorld, broken: tuple[str, ...]) -> None:
    """None is known, its package is gone, or it is the one that is live."""
    with pytest.raises(RecoveryRefused, match="no bad release"):
        prepare_fault(world.environment, RELEASE, Wish(drill="drl-1", broken=broken))


def alarm(state: Literal["OK", "ALARM", ""] = "") -> dict[str, Any]:
    """The alarm, after it was set to a state if one is given."""
    client = boto3.client("cloudwatch", REGION)
    if not client.describe_alarms(AlarmNames=[ONLY.alarm])["MetricAlarms"]:
        client.put_metric_alarm(
            AlarmName=ONLY.alarm, Namespace="Terraform", MetricName="Held", Statistic="Sum", Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold", Period=60, EvaluationPeriods=1,
        )  # fmt: skip
    if state:
        client.set_alarm_state(AlarmName=ONLY.alarm, StateValue=state, StateReason="by the metric")
    return dict(client.describe_alarms(AlarmNames=[ONLY.alarm])["MetricAlarms"][0])


WITH_ALARM = Wish(drill="drl-1", alarm=ONLY.alarm)


def test_an_alarm_is_set_and_set_back(world: DrillWorld) -> None:
    """It fires with the drill's name as its reason, and afterwards stands as before."""
    alarm("OK")
    note = prepare_fault(world.environment, ONLY, WITH_ALARM)

    inject_fault(world.environment, ONLY.fault, note)
    fired = alarm()
    left = undo_fault(world.environment, ONLY.fault, note)

    assert (fired["StateValue"], "drl-1" in fired["StateReason"]) == ("ALARM", True)
    assert alarm()["StateValue"] == "OK"
    assert left == ("", f"the alarm {ONLY.alarm} fired still")
    assert undo_fault(world.environment, ONLY.fault, note) == ("", "")


def test_an_alarm_that_fires_for_a_reason_of_its_own_goes_on_firing(world: DrillWorld) -> None:
    """CloudWatch has judged it anew meanwhile: the undo leaves it."""
    alarm("OK")
    note = prepare_fault(world.environment, ONLY, WITH_ALARM)
    inject_fault(world.environment, ONLY.fault, note)
    alarm("ALARM")

    assert undo_fault(world.environment, ONLY.fault, note) == ("", "")
    assert alarm()["StateValue"] == "ALARM"


def test_an_alarm_that_is_not_there_fires_already_or_speaks_for_the_service_is_not_set(
    world: DrillWorld,
) -> None:
    """The last one would have a healthy service rolled back."""
    place = world.environment
    with pytest.raises(RecoveryRefused, match="no alarm"):
        prepare_fault(place, ONLY, WITH_ALARM)
    alarm("ALARM")
    with pytest.raises(RecoveryRefused, match="fires already"):
        prepare_fault(place, ONLY, WITH_ALARM)
    platform = place.lambda_platform.model_copy(update={"alarm_prefix": "state-"})
    speaking = Environment.model_validate({**place.model_dump(), "platform": platform.model_dump()})
    with pytest.raises(RecoveryRefused, match="speaks for the service"):
        prepare_fault(speaking, ONLY, WITH_ALARM)
