"""A drill sends a run's messages to somebody else's queue, and the recovery takes exactly these out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from blocks.environment import Environment
from blocks.settings import settings
from flows._drill_janitor import finish_drills
from flows._ladder import Request
from flows.rollback_drill import rollback_drill
from flows.wrong_queue_publish import recover
from ledger import drills
from ledger.database import open_ledger
from rules.drills import FaultName
from rules.errors import RecoveryRefused
from rules.outcomes import Ending, Verdict
from sandbox.places import ACCOUNT, REGION
from sandbox.test_kit.place import BILLING, QA, KitPlace, dead
from sandbox.world import Sandbox
from tests.flows.drill_world import when_broken
from tests.flows.kit_world import KitWorld

pytestmark = [pytest.mark.slow]

ALARM = "qa-billing-strays"


@pytest.fixture
def world(
    qa: KitPlace, qa_sandbox: Sandbox, prefect_server: str, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> KitWorld:
    """Qa, whose file allows the drill, and an alarm that leads to the recovery."""
    route = {"alarm": ALARM, "scenario": "wrong-queue-publish", "environment": QA}
    place = {"environments": {QA: {"account": ACCOUNT, "region": REGION}}, "routes": [route]}
    (own_home / "routes.yaml").write_text(yaml.safe_dump(place))
    monkeypatch.setenv("BACKSTOP_WEBHOOK_ROUTES", str(own_home / "routes.yaml"))
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.02")
    settings.cache_clear()
    world = KitWorld.of(qa_sandbox, qa)
    allowed = {"fault": "wrong-queue", "alarm": ALARM, "queue": qa.url(BILLING)}
    told = {**world.environment.model_dump(), "drills": {"allowed": [allowed]}}
    world.environment = Environment.model_validate(told)
    qa.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM, Namespace="AWS/SQS", MetricName="NumberOfMessagesSent", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=100, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    qa.client("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="by the metric")
    return world


def alarm(world: KitWorld) -> str:
    """How the alarm stands."""
    [found] = world.place.client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
    return str(found["StateValue"])


def test_the_recovery_takes_out_the_drills_messages_and_nobody_elses(world: KitWorld) -> None:
    """They were really there and the alarm fired; afterwards queues, alarm and artifacts are as before."""
    before = {queue: world.ids(queue) for queue in (BILLING, dead(BILLING))}
    seen: list[tuple[int, str]] = []

    def answer() -> None:
        seen.append((len(world.ids(BILLING)) - len(before[BILLING]), alarm(world)))
        outcome = recover.fn(world.environment, request=Request(alarm="alm-1"))
        assert outcome.ending is Ending.RECOVERED, outcome.reason

    with when_broken(open_ledger(), answer):
        done = rollback_drill.fn(world.environment, fault=FaultName.WRONG_QUEUE)

    assert seen == [(10, "ALARM")]
    assert done.grade is Verdict.PASS, done.reasons
    assert {queue: world.ids(queue) for queue in before} == before
    assert alarm(world) == "OK"
    assert list(world.place.artifacts.iterdir()) == []
    assert finish_drills() == []


def test_a_drill_whose_recovery_does_nothing_fails_and_leaves_nothing(world: KitWorld) -> None:
    """It says that its messages were still there, and takes them out itself."""
    before = world.ids(BILLING)

    def answer() -> None:
        (folder,) = world.place.artifacts.iterdir()
        (folder / "spans.jsonl").rename(folder / "aside")
        outcome = recover.fn(world.environment, request=Request(alarm="alm-1"))
        (folder / "aside").rename(folder / "spans.jsonl")
        assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason

    with when_broken(open_ledger(), answer):
        done = rollback_drill.fn(world.environment)

    assert done.grade is Verdict.FAIL, done.reasons
    assert world.ids(BILLING) == before
    with open_ledger().reading() as session:
        [row] = drills.listed(session)
    assert row.undo.startswith("10 of its messages were still there")


def test_where_the_kit_itself_is_set_wrong_nothing_is_sent(world: KitWorld) -> None:
    """It is not well before: what the drill saw afterwards would say nothing. Nor where no alarm leads there."""
    before = world.ids(BILLING)
    world.place.configure(BILLING)
    done = rollback_drill.fn(world.environment)
    settings().alarm_routes.write_text(yaml.safe_dump({"environments": {}, "routes": []}))
    with pytest.raises(RecoveryRefused, match="does not lead"):
        rollback_drill.fn(world.environment)

    assert (done.grade, "not well before" in done.reasons[0]) == (Verdict.INCONCLUSIVE, True)
    assert world.ids(BILLING) == before
