"""A drill that failed is found again by people: one issue, and one page where the path is critical."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from blocks.environment import Environment
from blocks.settings import settings
from flows._drill_findings import tell
from flows._drill_janitor import finish_drills
from flows.rollback_drill import rollback_drill
from ledger.drill_rows import DrillRow
from rules.drills import FaultName
from rules.outcomes import Ending, Verdict
from sandbox.github_stand_in import StandIn
from tasks.github_messages import LABEL
from tests.channels import Channel, kept_in, open_channel
from tests.flows.drill_world import NAME, ROUTES, DrillWorld, time_is_over
from tests.tasks.lambda_service import REGION

pytestmark = [pytest.mark.slow]

ALARM = "practice-terraform"
ALARM_ONLY = {"fault": "alarm-only", "alarm": ALARM, "scenario": "stale-terraform-lock"}
LOCKED = {"alarm": ALARM, "scenario": "stale-terraform-lock", "environment": NAME}


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    """Where people are told."""
    with open_channel() as found:
        monkeypatch.setenv("NOTICES_URL", found.address)
        yield found


@pytest.fixture
def world(
    prefect_server: str,
    preprod_on_github: Environment,
    own_home: Path,
    channel: Channel,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[DrillWorld]:
    """A service whose drills are told on GitHub and in a channel; one has an alarm of its own, which is green."""
    (own_home / "routes.yaml").write_text(yaml.safe_dump(ROUTES | {"routes": [LOCKED, *ROUTES["routes"]]}))
    (own_home / "environments").mkdir()
    for name, value in {
        "BACKSTOP_WEBHOOK_ROUTES": str(own_home / "routes.yaml"),
        "BACKSTOP_ENVIRONMENTS": str(own_home / "environments"),
        "BACKSTOP_DELAY_SCALE": "0.02",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with mock_aws():
        made = DrillWorld.made()
        boto3.client("cloudwatch", REGION).put_metric_alarm(
            AlarmName=ALARM, Namespace="Terraform", MetricName="Held", Statistic="Sum", Threshold=1,
            ComparisonOperator="GreaterThanOrEqualToThreshold", Period=60, EvaluationPeriods=1,
        )  # fmt: skip
        told = made.environment.model_dump() | {
            "github": preprod_on_github.model_dump()["github"],
            "escalation": {"notices": [kept_in("NOTICES_URL").model_dump()]},
            "drills": {"allowed": [{"fault": "broken-release"}, ALARM_ONLY]},
        }
        made.environment = Environment.model_validate(told)
        written = made.environment.model_dump(mode="json", exclude_none=True)
        (own_home / "environments" / f"{NAME}.yaml").write_text(yaml.safe_dump(written))
        yield made


def drill(world: DrillWorld, fault: str, answer: Callable[[DrillWorld], object]) -> DrillRow:
    """A drill that is answered so."""
    with world.when_broken(lambda: answer(world)):
        rollback_drill.fn(world.environment, fault=FaultName(fault))
    return world.rows()[0]


def not_recovered(world: DrillWorld) -> None:
    """The recovery gives up."""
    world.recover(release="", ending=Ending.NOT_RECOVERED)


def issues(github: StandIn) -> list[dict[str, Any]]:
    """Every issue, the oldest first."""
    return [thread for _, thread in sorted(github.seen()["threads"].items())]


def firing() -> str:
    """How the alarm stands."""
    [found] = boto3.client("cloudwatch", REGION).describe_alarms(AlarmNames=[ALARM])["MetricAlarms"]
    return str(found["StateValue"])


def test_a_failed_drill_opens_one_issue_and_pages(
    world: DrillWorld, github: StandIn, channel: Channel
) -> None:
    """What failed, why and what to do; told again nothing is said, and a second failure is said on the same issue."""
    first = drill(world, "broken-release", not_recovered)
    tell(world.environment, first)
    finish_drills()

    [issue] = issues(github)
    assert issue["title"] == f"Drill failed: canary-failure in {NAME}"
    for said in (
        first.id,
        "broken-release",
        f"{first.incident_id} ended as not recovered",
        "300 s",
        "drill start",
    ):
        assert said in issue["body"], said
    assert len(channel.titles) == 1
    assert "the drill of canary-failure failed" in channel.titles[0]

    second = drill(world, "broken-release", not_recovered)

    [issue] = issues(github)
    assert [second.id in text for text in issue["comments"]] == [True]
    assert len(channel.titles) == 2


def test_a_closed_finding_is_not_reopened(world: DrillWorld, github: StandIn) -> None:
    """Somebody mended it: when it fails again, that is another finding."""
    drill(world, "broken-release", not_recovered)
    [(number, issue)] = github.seen()["threads"].items()
    github.remove_thread(int(number))
    github.plant_issue(int(number), issue["title"], issue["body"], LABEL, state="closed")

    drill(world, "broken-release", not_recovered)

    assert [(each["state"], each["comments"]) for each in issues(github)] == [("closed", []), ("open", [])]


def test_a_lost_reply_makes_no_second_issue(world: DrillWorld, github: StandIn, channel: Channel) -> None:
    """GitHub took the issue and its answer was lost; the janitor finds it there, and pages nobody again."""
    github.trouble({"kind": "lost-reply", "path": "/issues", "method": "POST"})

    row = drill(world, "broken-release", not_recovered)
    told_at_first = row.told_at
    as_if_dead(world, row)
    lines = finish_drills()

    assert (told_at_first, len(lines), world.rows()[0].told_at is None) == (None, 1, False)
    assert (len(issues(github)), len(channel.titles)) == (1, 1)
    assert finish_drills() == []


def test_github_that_does_not_answer_is_tried_again(world: DrillWorld, github: StandIn) -> None:
    """The finding is not lost with the answer: nobody would have heard of it."""
    github.trouble(*[{"kind": "error", "status": 503, "path": "/issues"}] * 6)
    as_if_dead(world, drill(world, "broken-release", not_recovered))
    for _ in range(8):
        finish_drills()

    assert len(issues(github)) == 1
    assert world.rows()[0].told_at is not None


def test_without_an_issue_people_are_told_though_the_path_is_not_critical(
    world: DrillWorld, channel: Channel
) -> None:
    """No repository, or none that takes it: then the channel hears of the failure and of the missing issue."""
    world.environment = world.environment.model_copy(update={"github": None})

    row = drill(world, "alarm-only", time_is_over)

    assert (row.grade, len(channel.told)) == (Verdict.FAIL.value, 1)
    assert "names no GitHub repository" in channel.told[0]["message"]


def test_an_alarm_that_nothing_comes_of_fails_its_drill(
    world: DrillWorld, github: StandIn, channel: Channel
) -> None:
    """Receiver and janitor are away: the drill fails with where to look, as a finding; the alarm stands as before."""
    before, seen = firing(), []

    def answer(world: DrillWorld) -> None:
        seen.append(firing())
        time_is_over(world)

    row = drill(world, "alarm-only", answer)

    assert (seen, firing()) == (["ALARM"], before)
    assert (row.grade, row.incident_id, bool(row.undone_at)) == ("fail", None, True)
    [issue] = issues(github)
    assert "never reached Backstop: look at its action, its subscription and the receiver" in issue["body"]
    assert channel.titles == []


def as_if_dead(world: DrillWorld, row: DrillRow) -> None:
    """As if the drill's own process were gone."""
    with world.ledger.session() as session:
        kept = session.get_one(DrillRow, row.id)
        kept.holder = kept.holder | {"pid": 2**22 - 1, "started": 1.0}
