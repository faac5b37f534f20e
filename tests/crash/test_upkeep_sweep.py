"""The flows that recover nothing themselves, killed at every boundary and started again."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from sqlalchemy import select

from deployments.prefect_yaml import read_prefect_yaml
from ledger import escalations, timeline
from ledger.database import forget_opened, open_ledger
from ledger.models import EscalationRow, IncidentRow, NoticeRow, ReleaseRow
from rules.outcomes import Ending
from rules.severity import Tier
from sandbox.practice import PRACTICES
from tests.channels import Channel, open_channel
from tests.crash.sweep import Start, World, forkserver, run, survive
from tests.flows.story import write_story
from tests.flows.story_facts import INCIDENT
from tests.switchboard import make_environment

if TYPE_CHECKING:
    from sandbox.world import Sandbox

pytestmark = [pytest.mark.crash, pytest.mark.slow]

SWEPT_HERE = {"record-release", "escalate"}
BESIDE = {
    "alarm-watch",
    "backup",
    "backup-retention",
    "preflight",
    "readiness",
    "restore-test",
    "resume",
    "rollback-drill",
}
"""Each in its own `test_<…>_sweep`; the two that look for what was left lying in `test_janitor_sweep`."""
READS = {"report"}
"""Writes nothing but a page of its own, in one step."""
ESCALATION = {
    "levels": [
        {
            "after_seconds": 300,
            "name": "on-call",
            "channels": [{"source": "environment", "name": "ONCALL_URL"}],
        }
    ]
}


def record(environment: str, release: str) -> object:
    """Record a release as a deploy pipeline does."""
    from deployments.environments import load_environment
    from flows.record_release import record_release

    return record_release.fn(load_environment(environment), release).verdict.value


def page(incident: str) -> object:
    """Page the first level; a page that nobody knows the end of is sent again after a second."""
    from flows.escalate import escalate
    from tasks import notices

    notices.CLAIM_SECONDS = 1.0
    return escalate.fn(incident, 1)


class Pipeline:
    """A release that works is live, and the ledger knows nothing of it."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.sandbox, self.home = sandbox, home
        sandbox.reset()
        sandbox.wait_until_green("prod")

    def break_it(self) -> None:
        forget_opened()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        settings = {
            **self.sandbox.variables(),
            "BACKSTOP_HOME": str(self.home),
            "BACKSTOP_DELAY_SCALE": "0.3",
        }
        return record, ("prod", self.sandbox.release(2)), settings

    def ended_well(self, outcome: object) -> bool:
        return outcome == "pass"

    def state(self) -> object:
        with open_ledger(f"sqlite:///{self.home / 'ledger.db'}").reading() as session:
            rows = session.scalars(select(ReleaseRow))
            return sorted((row.environment, row.release, row.verdict, str(row.evidence)) for row in rows)

    def twice(self) -> list[str]:
        found = self.state()
        assert isinstance(found, list)
        return [str(entry) for entry, times in Counter(found).items() if times > 1]

    def left_behind(self) -> list[str]:
        return []


class Pager:
    """An open incident whose first level is due."""

    def __init__(self, channel: Channel, home: Path) -> None:
        self.channel, self.home = channel, home

    def break_it(self) -> None:
        forget_opened()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.channel.told.clear()
        ledger = open_ledger(f"sqlite:///{self.home / 'ledger.db'}")
        write_story(ledger, Ending.NOT_RECOVERED)
        with ledger.session() as session:
            for row in escalations.of_incident(session, INCIDENT):
                row.sent_at = None
            session.query(IncidentRow).update({"closed_at": None, "ending": None, "phase": "verify"})
            session.query(EscalationRow).filter(EscalationRow.level > 1).delete()
            session.query(NoticeRow).filter(NoticeRow.kind.like("page-%")).delete()
        ledger.close()
        environment = make_environment("prod", Tier.PRODUCTION, escalation=ESCALATION)
        told = environment.model_dump(mode="json", exclude={"block_type_slug"})
        (self.home / "prod.yaml").write_text(yaml.safe_dump(told))

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        settings = {
            "BACKSTOP_HOME": str(self.home),
            "BACKSTOP_ENVIRONMENTS": str(self.home),
            "BACKSTOP_DELAY_SCALE": "0.02",
            "ONCALL_URL": self.channel.address,
        }
        return page, (INCIDENT,), settings

    def ended_well(self, outcome: object) -> bool:
        return "paged" in str(outcome)

    def state(self) -> object:
        with open_ledger(f"sqlite:///{self.home / 'ledger.db'}").reading() as session:
            sent = {row.level: row.sent_at is not None for row in escalations.of_incident(session, INCIDENT)}
            return sent, timeline.broken_at(session, INCIDENT)

    def twice(self) -> list[str]:
        """A page may come twice, recognisably: two are better than none. Not three times, not as another."""
        told = [str(message["message"]).partition("Ref: ")[2] for message in self.channel.told]
        assert told, "nobody was paged"
        return told if len(told) > 2 or len(set(told)) > 1 else []

    def left_behind(self) -> list[str]:
        with open_ledger(f"sqlite:///{self.home / 'ledger.db'}").reading() as session:
            open_ones = session.scalars(select(NoticeRow).where(NoticeRow.sent_at.is_(None)))
            return [row.kind for row in open_ones if row.kind.startswith("page-")]


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """One fork server for the module."""
    return forkserver()


@pytest.fixture
def channel() -> Iterator[Channel]:
    """Where the on-call engineer is paged."""
    with open_channel() as opened:
        yield opened


def sweep(context: ForkServerContext, world: World) -> list[str]:
    """Kill it at each of its boundaries; where it died."""
    world.break_it()
    whole = run(context, world)
    assert world.ended_well(whole.outcome), (world.home / "told" / "output").read_text()
    wanted = world.state()
    return [survive(context, world, number, wanted) for number in range(len(whole.crossed))]


@pytest.mark.real
def test_a_release_is_recorded_once(sandbox: Sandbox, context: ForkServerContext, tmp_path: Path) -> None:
    """A pipeline whose run was killed and started again has the release in the ledger, and only once."""
    died_at = sweep(context, Pipeline(sandbox, tmp_path / "world"))

    assert died_at == ["before record a release", "after record a release"]


def test_somebody_is_paged_wherever_the_pager_dies(
    channel: Channel, context: ForkServerContext, tmp_path: Path
) -> None:
    """Killed at any boundary and started again, the level is paged, at most twice and recognisably the same."""
    died_at = sweep(context, Pager(channel, tmp_path / "world"))

    assert {"after the page-1 notice: intent", "before the page-1 notice was sent"} <= set(died_at)


def test_every_deployed_flow_is_swept() -> None:
    """A new flow without a practice, or without a world here, is noticed."""
    deployed = {each.name for each in read_prefect_yaml().deployments}

    assert deployed == SWEPT_HERE | BESIDE | READS | {practice.scenario for practice in PRACTICES}
