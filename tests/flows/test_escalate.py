"""Somebody is always told: at the time that was set, once, and not when nobody is needed any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from moto import mock_aws
from prefect.settings import PREFECT_API_URL, temporary_settings

from blocks.environment import Environment
from flows._incident import Request
from flows.escalate import TRIES, escalate
from ledger import escalations, timeline
from ledger.cases import now
from ledger.database import Ledger, open_ledger
from ledger.models import EscalationRow, IncidentRow, NoticeRow
from rules.errors import RecoveryRefused, StepFailed
from rules.outcomes import Ending
from rules.severity import Destructiveness, Situation, Tier
from tests.channels import Channel, open_channel
from tests.flows.story import write_story
from tests.flows.story_facts import INCIDENT
from tests.switchboard import make_environment, recover, wire


@pytest.fixture
def ledger(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """This test's ledger; every pause is short, and there is an account to ask who we are."""
    from blocks.settings import settings

    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.02")
    monkeypatch.setenv("BACKSTOP_ENVIRONMENTS", str(own_home))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    settings.cache_clear()
    return open_ledger()


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Channel, Channel, Channel]]:
    """Where notices, the on-call engineer and the lead are told."""
    with open_channel() as notices, open_channel() as oncall, open_channel() as lead:
        for name, channel in (("NOTICES", notices), ("ONCALL", oncall), ("LEAD", lead)):
            monkeypatch.setenv(f"{name}_URL", channel.address)
        yield notices, oncall, lead


ESCALATION = {
    "notices": [{"source": "environment", "name": "NOTICES_URL"}],
    "levels": [
        {
            "after_seconds": 300,
            "name": "on-call",
            "channels": [{"source": "environment", "name": "ONCALL_URL"}],
        },
        {"after_seconds": 600, "name": "lead", "channels": [{"source": "environment", "name": "LEAD_URL"}]},
    ],
}


def practice() -> Environment:
    """A production environment with an escalation path."""
    return make_environment(tier=Tier.PRODUCTION, escalation=ESCALATION)


@pytest.fixture
def waiting(ledger: Ledger, own_home: Path) -> str:
    """An open incident in prod, its environment's file, and nobody paged yet."""
    write_story(ledger, Ending.NOT_RECOVERED)
    with ledger.session() as session:
        for row in escalations.of_incident(session, INCIDENT):
            row.sent_at = None
        session.query(IncidentRow).update({"closed_at": None, "ending": None, "phase": "verify"})
        session.query(EscalationRow).filter_by(level=3).delete()
        session.query(NoticeRow).filter(NoticeRow.kind.like("page-%")).delete()
    environment = make_environment("prod", Tier.PRODUCTION, escalation=ESCALATION)
    data = environment.model_dump(mode="json", exclude={"block_type_slug"})
    (own_home / "prod.yaml").write_text(yaml.safe_dump(data))
    return INCIDENT


def levels(ledger: Ledger, incident: str = INCIDENT) -> dict[int, EscalationRow]:
    """An incident's levels."""
    with ledger.reading() as session:
        return {row.level: row for row in escalations.of_incident(session, incident)}


def test_an_open_incident_is_paged_with_what_is_known(
    waiting: str, ledger: Ledger, channels: tuple[Channel, Channel, Channel]
) -> None:
    """The page says what is broken, what was tried, that the run is dead and how to go on."""
    escalate.fn(waiting, 1)

    _, oncall, lead = channels
    assert oncall.titles == ["PAGE prod: canary failure, still open"]
    body = oncall.told[0]["message"]
    for fact in (
        "answers 500",
        "Critical",
        "promise 5 min",
        "by direct update: failed",
        "another hash",
        "run is dead",
        "backstop recover canary-failure --environment prod",
        INCIDENT,
    ):
        assert fact in body, fact
    assert lead.told == []
    assert levels(ledger)[1].sent_at is not None
    assert levels(ledger)[2].sent_at is None


def test_it_pages_once(waiting: str, channels: tuple[Channel, Channel, Channel]) -> None:
    """A run that is started again pages nobody again."""
    for _ in range(3):
        escalate.fn(waiting, 1)

    assert len(channels[1].told) == 1


def test_a_cancelled_level_pages_nobody(
    waiting: str, ledger: Ledger, channels: tuple[Channel, Channel, Channel]
) -> None:
    """The ledger decides: a run that fires although the incident has ended well is silent."""
    with ledger.session() as session:
        escalations.cancel_all(session, waiting, now())

    assert "nobody is paged" in escalate.fn(waiting, 1)
    assert channels[1].told == []


def test_the_next_level_is_tried_where_one_cannot_be_reached(
    waiting: str, ledger: Ledger, channels: tuple[Channel, Channel, Channel]
) -> None:
    """A pager that refuses does not end the escalation: the level above is paged at once."""
    _, oncall, lead = channels
    oncall.status = 500

    escalate.fn(waiting, 1)

    assert len(lead.told) == 1
    assert "Level 1 could not be reached" in lead.told[0]["message"]
    assert levels(ledger)[2].sent_at is not None


def test_reaching_nobody_is_a_failure(
    waiting: str, ledger: Ledger, channels: tuple[Channel, Channel, Channel]
) -> None:
    """When no level can be reached the run fails, and each try is in the timeline."""
    for channel in channels:
        channel.status = 500

    with pytest.raises(StepFailed, match="Nobody from level 1 up"):
        escalate.fn(waiting, 1)

    with ledger.reading() as session:
        tried = [row.text for row in timeline.entries(session, waiting) if "page, level" in row.text]
    assert len(tried) == 2 * TRIES
    assert levels(ledger)[1].sent_at is None


def test_an_unknown_incident_is_refused(ledger: Ledger) -> None:
    """A page for an incident that does not exist says so."""
    with pytest.raises(RecoveryRefused, match="no incident"):
        escalate.fn("inc-none", 1)


@mock_aws
def test_a_recovery_tells_twice_and_pages_nobody(
    ledger: Ledger, tmp_path: Path, channels: tuple[Channel, Channel, Channel]
) -> None:
    """Opening and closing notices, each once; the levels were written with their times and are cancelled."""
    outcome = recover.fn(practice(), wire(tmp_path / "board"))

    notices, oncall, lead = channels
    assert outcome.ending is Ending.RECOVERED, outcome
    assert notices.titles == [
        "practice: switch failure, recovery begins",
        "practice: switch failure, recovered",
    ]
    assert (oncall.told, lead.told) == ([], [])
    rows = levels(ledger, outcome.incident)
    assert [row.name for row in rows.values()] == ["on-call", "lead"]
    assert rows[2].due_at - rows[1].due_at == timedelta(seconds=300 * 0.02)
    assert all(row.cancelled_at and not row.sent_at for row in rows.values())
    assert Path(outcome.report).read_text().count("not needed") == 2


@mock_aws
def test_not_recovered_pages_at_once(
    ledger: Ledger, tmp_path: Path, channels: tuple[Channel, Channel, Channel]
) -> None:
    """When no way back is left, the first two levels are woken now, and not again when their time comes."""
    board = wire(tmp_path / "board")
    (board / "stuck-left").touch()

    outcome = recover.fn(practice(), board)

    notices, oncall, lead = channels
    assert outcome.ending is Ending.NOT_RECOVERED
    assert notices.titles[-1] == "practice: switch failure, not recovered"
    for channel in (oncall, lead):
        assert channel.titles == ["PAGE practice: switch failure, not recovered"]
        assert "left is stuck" in channel.told[0]["message"]
    assert "was paged" in escalate.fn(outcome.incident, 1)
    assert len(oncall.told) == 1


@mock_aws
def test_corrupt_data_pages_before_anything_is_tried(
    ledger: Ledger, tmp_path: Path, channels: tuple[Channel, Channel, Channel]
) -> None:
    """Where the matrix says «immediately», people are woken at the opening, though it recovers, with no server too."""
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        outcome = recover.fn(practice(), wire(tmp_path / "board"), situation=Situation.DATA_CORRUPT)

    _, oncall, lead = channels
    assert outcome.ending is Ending.RECOVERED
    for channel in (oncall, lead):
        assert channel.titles == ["PAGE practice: switch failure, still open"]
    rows = levels(ledger, outcome.incident)
    assert all(row.sent_at and row.due_at == rows[1].due_at for row in rows.values())


@mock_aws
def test_a_rehearsal_tells_nobody(
    ledger: Ledger, tmp_path: Path, channels: tuple[Channel, Channel, Channel]
) -> None:
    """A rehearsal writes its report and disturbs nobody."""
    outcome = recover.fn(practice(), wire(tmp_path / "board"), rehearse=True, request=Request())

    assert outcome.ending is Ending.REHEARSED
    assert all(channel.told == [] for channel in channels)
    assert Path(outcome.report).is_file()


@mock_aws
def test_dead_channels_do_not_stop_a_recovery(ledger: Ledger, tmp_path: Path) -> None:
    """With no channel that works, and no Prefect server, the recovery is as it is with them."""
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        outcome = recover.fn(practice(), wire(tmp_path / "board"))

    assert outcome.ending is Ending.RECOVERED
    with ledger.reading() as session:
        told = [
            row.text
            for row in timeline.entries(session, outcome.incident)
            if row.kind in ("notice", "escalation")
        ]
    assert any("NOTICES_URL" in text and "told 0 of 1" in text for text in told)
    assert "the levels are in the ledger only: this process knows no Prefect server" in told


@mock_aws
def test_people_are_asked_when_a_plan_begins_to_wait(
    ledger: Ledger,
    tmp_path: Path,
    channels: tuple[Channel, Channel, Channel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who must approve hears of it at once, with the plan; nobody answering ends as refused and pages."""
    from blocks.settings import settings

    monkeypatch.setenv("BACKSTOP_APPROVAL_SECONDS", "60")
    settings.cache_clear()
    environment = make_environment(tier=Tier.PRODUCTION, automatic_up_to=None, escalation=ESCALATION)

    outcome = recover.fn(environment, wire(tmp_path / "board"), destructiveness=Destructiveness.DISRUPTIVE)

    notices, oncall, _ = channels
    assert outcome.ending is Ending.REFUSED
    assert oncall.titles == [
        "APPROVE? practice: Turn the switches to good the gentle way",
        "PAGE practice: switch failure, refused",
    ]
    assert "left: bad → good" in oncall.told[0]["message"]
    assert f"backstop approve {outcome.incident}" in oncall.told[0]["message"]
    assert len(notices.told) == 3
