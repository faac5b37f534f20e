"""An alarm that nothing clears, on the practice sandbox with its own evaluator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from blocks.environment import Environment
from blocks.settings import settings
from flows._ladder import Request
from flows.stuck_alarm import recover
from rules.outcomes import Ending
from sandbox import breaking, faults
from sandbox.world import Sandbox
from tests.flows.broken_canary import steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

ALARM = "preprod-sentiment-retired-checks"
ASKED = Request(requested_by="Ada", reason="the checks were retired with release 2")


@pytest.fixture
def preprod(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """A healthy preprod in which an alarm is stuck."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    fresh_sandbox.wait_until_green("preprod")
    faults.start(fresh_sandbox, "stuck-alarm", "preprod")
    text = (fresh_sandbox.home.environments / "preprod.yaml").read_text(encoding="utf-8")
    yield Environment(**yaml.safe_load(text))
    faults.repair(fresh_sandbox, "stuck-alarm", "preprod")


def seen(sandbox: Sandbox) -> dict[str, Any]:
    """The alarm as CloudWatch tells it."""
    [alarm] = sandbox.client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
    return dict(alarm)


def test_it_is_set_to_ok_with_its_reason_and_stays(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """It is OK, says why and by which incident, and is still OK one evaluation period later."""
    outcome = recover.fn(preprod, ALARM, request=ASKED)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    now = seen(fresh_sandbox)
    assert now["StateValue"] == "OK"
    assert ASKED.reason in now["StateReason"]
    assert outcome.incident in now["StateReason"]
    assert steps(outcome) == [("set_alarm_ok", ALARM, "changed")]
    assert recover.fn(preprod, ALARM, request=ASKED).ending is Ending.NOTHING_TO_DO


def test_a_rehearsal_changes_nothing_and_tells_what_the_real_run_does(
    preprod: Environment, fresh_sandbox: Sandbox
) -> None:
    """The rehearsed plan has the digest of the one that is then acted on."""
    before = seen(fresh_sandbox)

    rehearsed = recover.fn(preprod, ALARM, rehearse=True, request=ASKED)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert seen(fresh_sandbox) == before
    assert steps(rehearsed) == []
    real = recover.fn(preprod, ALARM, request=ASKED)
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_without_a_reason_it_is_left_alone(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """Somebody must say why: it goes into the alarm's history. A rehearsal says so before."""
    rehearsed = recover.fn(preprod, ALARM, rehearse=True)
    outcome = recover.fn(preprod, ALARM)

    assert rehearsed.plan
    assert rehearsed.plan.reasons[-1] == "no reason was given: without one it is refused"
    assert outcome.ending is Ending.REFUSED
    assert "reason" in outcome.hint
    assert seen(fresh_sandbox)["StateValue"] == "ALARM"


def test_a_metric_that_is_really_bad_keeps_its_alarm(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """What the runbook's command would hide: one bad point, and nothing is set."""
    point = {"MetricName": "FailedChecks", "Value": 7.0, "Timestamp": datetime.now(UTC)}
    fresh_sandbox.client("cloudwatch").put_metric_data(Namespace="Sentiment/Retired", MetricData=[point])

    outcome = recover.fn(preprod, ALARM, request=ASKED)

    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert "breach" in outcome.reason
    assert seen(fresh_sandbox)["StateValue"] == "ALARM"


def test_the_runbooks_command_alone_is_overwritten(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """`set-alarm-state OK` on an alarm whose metric is bad lasts until the next evaluation."""
    name, client = "preprod-sentiment-dashboard-errors", fresh_sandbox.client("cloudwatch")
    breaking.deploy_bad_release(fresh_sandbox, "preprod")
    fresh_sandbox.wait_for(lambda: fresh_sandbox.alarm_states("preprod")[name] == "ALARM", "the alarm fires")

    client.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="manual override")

    fresh_sandbox.wait_for(lambda: fresh_sandbox.alarm_states("preprod")[name] == "ALARM", "it is back")
    outcome = recover.fn(preprod, name, request=ASKED)
    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert fresh_sandbox.alarm_states("preprod")[name] == "ALARM"


def test_an_alarm_that_tells_nobody_is_switched_on(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """It is OK already: no reason is needed, and its state is left to CloudWatch."""
    client = fresh_sandbox.client("cloudwatch")
    client.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="calm")
    client.disable_alarm_actions(AlarmNames=[ALARM])

    outcome = recover.fn(preprod, ALARM)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert seen(fresh_sandbox)["ActionsEnabled"]
    assert seen(fresh_sandbox)["StateReason"] == "calm"
    assert steps(outcome) == [("enable_alarm_actions", f"{ALARM} actions", "changed")]


def test_an_alarm_that_is_not_there_names_those_that_are(preprod: Environment) -> None:
    """A slip of the pen changes nothing and shows the right names."""
    outcome = recover.fn(preprod, "preprod-sentiment-retired-check", request=ASKED)

    assert outcome.ending is Ending.REFUSED
    assert ALARM in outcome.hint
