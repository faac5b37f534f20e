"""An alarm whose webhook was lost costs a minute; one that came both ways starts one incident."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Literal

import boto3
import pytest
import yaml
from prefect.flow_engine import run_flow
from sqlalchemy import select

from blocks.settings import settings
from flows._alarm_intake import routed
from flows._alarm_routes import Configuration
from flows._alarm_watching import Looked, watch_alarms
from flows.alarm_watch import alarm_watch
from ledger import alarms
from ledger.cases import now
from ledger.models import AlarmRow
from rules.errors import RecoveryRefused, StepFailed
from rules.outcomes import Ending
from tasks.standing_alarms import firing_in_cloudwatch
from tests.channels import open_channel
from tests.flows.janitor_world import SCENARIO, JanitorWorld
from tests.switchboard import recover
from webhooks.dispatcher import Dispatcher
from webhooks.metrics import Figures
from webhooks.paging import Pager
from webhooks.prefect_api import PrefectApi

pytestmark = [pytest.mark.slow]


def routes(janitor: JanitorWorld, scenario: str = SCENARIO, account: str = "123456789012") -> Configuration:
    """Alarms `practice-*` start the scenario in the environment."""
    return Configuration.model_validate(
        {
            "environments": {janitor.name: {"account": account, "region": "us-east-1"}},
            "routes": [{"alarm": "practice-*", "scenario": scenario, "environment": janitor.name}],
        }
    )


def fire(*names: str, state: Literal["ALARM", "OK"] = "ALARM", muted: bool = False) -> None:
    """Bring alarms of the account to a state."""
    client = boto3.client("cloudwatch", region_name="us-east-1")
    for name in names:
        client.put_metric_alarm(
            AlarmName=name,
            MetricName="Errors",
            Namespace="practice",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Period=60,
            Statistic="Sum",
            Threshold=1,
            ActionsEnabled=not muted,
        )
        client.set_alarm_state(AlarmName=name, StateValue=state, StateReason="told to")


def watch(janitor: JanitorWorld, configuration: Configuration | None = None) -> Looked:
    """Look once."""
    return watch_alarms(janitor.client, janitor.ledger, configuration or routes(janitor))


def rows(janitor: JanitorWorld) -> list[AlarmRow]:
    """The alarms in the ledger."""
    with janitor.ledger.reading() as session:
        return list(session.scalars(select(AlarmRow)))


def test_a_lost_webhook_costs_one_look(janitor: JanitorWorld) -> None:
    """What fires and nobody delivered starts its recovery once; what has no route, is muted or is over does not."""
    fire("practice-errors", "somebody-elses")
    fire("practice-muted", muted=True)
    fire("practice-over", state="OK")

    first, again = watch(janitor), watch(janitor)

    [run], [row] = janitor.runs(), rows(janitor)
    assert (len(first.started), first.problems, again.started, again.new) == (1, [], [], 0)
    assert (row.name, row.state, row.flow_run_id) == ("practice-errors", "dispatched", str(run.id))
    assert alarms.ASKED_FOR in row.body
    assert run.parameters["request"] == {"requested_by": "alarm", "reason": row.name, "alarm": row.id}
    told = {"environment": janitor.environment, "board": janitor.board, "request": run.parameters["request"]}
    ended: Any = run_flow(recover, flow_run=run, parameters=told, return_type="state")
    [incident] = janitor.incidents()
    assert (incident.alarm_id, incident.ending) == (row.id, Ending.RECOVERED.value), ended
    assert (
        watch(janitor).started == []
    )  # CloudWatch has not looked again yet: it fired before the incident ended


def test_both_ways_at_once_start_one_incident(janitor: JanitorWorld) -> None:
    """Alarms that are delivered in the same moment as they are asked for have one run, whichever way is first."""
    names = [f"practice-{number}" for number in range(6)]
    fire(*names)
    configuration = routes(janitor)
    delivered = [
        routed(alarm.model_copy(update={"external_id": f"sns-{number}"}), configuration, now())
        for number, alarm in enumerate(firing_in_cloudwatch.fn(janitor.environment))
    ]

    async def race() -> None:
        api = PrefectApi(str(janitor.client.api_url))
        dispatcher = Dispatcher(
            janitor.ledger,
            api,
            Pager(()),
            Figures(janitor.ledger),
            cooldown=timedelta(seconds=300),
            sweep_seconds=0.2,
            page_after=timedelta(minutes=1),
        )
        turning = asyncio.create_task(dispatcher.run())
        alarms.store(janitor.ledger, delivered)
        dispatcher.wake()
        await asyncio.gather(*(asyncio.to_thread(watch, janitor) for _ in range(2)))
        for _ in range(200):
            if {row.state for row in rows(janitor)} == {"dispatched"}:
                break
            await asyncio.sleep(0.1)
        dispatcher.stop()
        await turning
        await api.close()

    asyncio.run(race())

    [run] = janitor.runs()
    assert len(rows(janitor)) == 2 * len(names)
    assert {row.flow_run_id for row in rows(janitor)} == {str(run.id)}
    assert len({row.incident_key for row in rows(janitor)}) == 1


def test_a_healthy_world_is_looked_at_and_left_alone(janitor: JanitorWorld) -> None:
    """Where nothing fires, nothing is written and nothing asked for."""
    fire("practice-errors", state="OK")

    assert watch(janitor) == Looked()
    assert rows(janitor) == []


def test_what_cannot_be_looked_at_is_said(janitor: JanitorWorld) -> None:
    """A place that is not the environment's own, and an Alertmanager that is away, are named; the flow fails."""
    fire("practice-errors")
    told = routes(janitor, scenario="canary-failure").model_dump(mode="json", exclude_defaults=True)
    other = {"account": "999999999999", "region": "us-east-1"}
    am = {
        "format": "alertmanager",
        "token": {"source": "environment", "name": "X"},
        "ask": "http://127.0.0.1:9",
    }
    told |= {"environments": {janitor.name: other}, "senders": {"am": am}}
    settings().alarm_routes.write_text(yaml.safe_dump(told))

    wrong = (
        r"am does not answer.* is in the account 123456789012 .*the routes file says the account 999999999999"
    )
    with pytest.raises(StepFailed, match=wrong) as failed:
        alarm_watch.fn()
    assert str(settings().alarm_routes) in failed.value.hint
    with pytest.raises(RecoveryRefused, match="says nothing of nowhere"):
        alarm_watch.fn("nowhere")
    assert rows(janitor) == []


def test_a_run_that_is_refused_tells_people_once(
    janitor: JanitorWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters that Prefect does not take start nothing, and somebody hears of it; not again each minute."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    janitor.deploy("strict", parameter_openapi_schema=schema, enforce_parameter_schema=True)
    fire("practice-errors")
    with open_channel() as channel:
        monkeypatch.setenv("NOTICES_URL", channel.address)
        watch(janitor, routes(janitor, "strict"))
        watch(janitor, routes(janitor, "strict"))

    [row] = rows(janitor)
    assert row.state == "failed"
    assert channel.titles == [f"{janitor.name}: strict is not started"]


def test_what_is_not_registered_waits(janitor: JanitorWorld) -> None:
    """Where the deployment is not on the server yet, the alarm stays stored and is started when it is."""
    fire("practice-errors")

    looked = watch(janitor, routes(janitor, "not-there"))

    assert "not registered" in looked.problems[0]
    assert [row.state for row in rows(janitor)] == ["stored"]


def test_the_message_of_an_alarm_that_is_asked_for(janitor: JanitorWorld) -> None:
    """The state change itself names the alarm: asked for twice it is one row, changed again another."""
    fire("practice-errors")
    [first] = firing_in_cloudwatch.fn(janitor.environment)
    [same] = firing_in_cloudwatch.fn(janitor.environment)
    fire("practice-errors", state="OK")
    fire("practice-errors")
    [later] = firing_in_cloudwatch.fn(janitor.environment)

    assert first == same
    assert later.external_id != first.external_id
