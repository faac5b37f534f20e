"""Notices over a real channel: told once, quickly, without secrets, and never in a recovery's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from ledger import timeline
from ledger.cases import Case, now
from ledger.database import Ledger, open_ledger
from ledger.holders import this_process
from ledger.incidents import Opening, open_case
from ledger.models import NoticeRow
from rules.escalation import Message
from tasks import notices
from tasks.notices import Mood, Notice, begin, tell
from tests.channels import Channel, kept_in, open_channel

URL = kept_in("TOLD_HERE")
OTHER = kept_in("TOLD_THERE")


@pytest.fixture
def ledger(own_home: Path) -> Ledger:
    """This test's ledger."""
    return open_ledger()


@pytest.fixture
def case(ledger: Ledger) -> Case:
    """An open incident."""
    opening = Opening(scenario="canary-failure", environment="prod", tier="production", budget_seconds=300)
    return open_case(ledger, opening, this_process(), 30)


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    """A channel whose address is kept in a variable."""
    with open_channel() as opened:
        monkeypatch.setenv("TOLD_HERE", opened.address)
        yield opened


def notice(case: Case, kind: str = "opening", *, insist: bool = False, condition: str = "down") -> Notice:
    """A notice of the case."""
    message = Message(title="prod: canary failure", condition=condition, needs="nothing")
    return Notice(case.incident_id, kind, message, Mood.INFO, insist=insist)


def row(ledger: Ledger, kind: str = "opening") -> NoticeRow:
    """What the ledger knows of a notice."""
    with ledger.reading() as session:
        return session.scalars(select(NoticeRow).where(NoticeRow.kind == kind)).one()


def told(ledger: Ledger, case: Case) -> list[str]:
    """The timeline's entries about notices."""
    with ledger.reading() as session:
        return [r.text for r in timeline.entries(session, case.incident_id) if r.kind == "notice"]


def test_it_arrives_and_is_written_down(case: Case, ledger: Ledger, channel: Channel) -> None:
    """The message arrives with its reference, and the ledger knows when and by how many channels."""
    assert tell(case.writing, notice(case), [URL], None)

    assert channel.titles == ["prod: canary failure"]
    assert channel.told[0]["message"].startswith("CONDITION: down")
    assert f"Ref: {case.incident_id}/opening" in channel.told[0]["message"]
    assert row(ledger).sent_at is not None
    assert told(ledger, case) == ["opening notice: told 1 of 1 channels"]


@pytest.mark.parametrize("insist", [False, True])
def test_it_is_told_once(case: Case, channel: Channel, *, insist: bool) -> None:
    """Telling it again, as a resumed run does, tells nobody."""
    for _ in range(3):
        assert tell(case.writing, notice(case, insist=insist), [URL], None)

    assert len(channel.told) == 1


def test_it_is_told_once_by_several_at_a_time(case: Case, ledger: Ledger, channel: Channel) -> None:
    """Four senders of the same page at the same moment make one message."""
    page = notice(case, "page-1", insist=True)
    senders = [
        threading.Thread(target=tell, args=(ledger.session, page, [URL], None), daemon=True) for _ in range(4)
    ]

    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)

    assert len(channel.told) == 1


def test_after_a_death_a_page_is_repeated_and_a_notice_is_not(
    case: Case, ledger: Ledger, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it arrived: a page goes out again, an opening notice does not and says so."""
    for kind in ("opening", "page-1"):
        with ledger.session() as session:
            at = now() - timedelta(seconds=notices.CLAIM_SECONDS + 1)
            session.add(NoticeRow(incident_id=case.incident_id, kind=kind, intent_at=at))

    assert not tell(case.writing, notice(case), [URL], None)
    assert tell(case.writing, notice(case, "page-1", insist=True), [URL], None)

    assert [message["message"].splitlines()[-1] for message in channel.told] == [
        f"Ref: {case.incident_id}/page-1"
    ]
    assert "may not have arrived" in row(ledger).error
    assert any("may not have arrived" in text for text in told(ledger, case))


def test_a_channel_that_fails_stops_nothing(
    case: Case, ledger: Ledger, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nonsense, an empty variable and a closed port are written down, and the good channel is told."""
    monkeypatch.setenv("TOLD_THERE", "nonsense with a hunter2 in it")
    monkeypatch.setenv("NOBODY_LISTENS", "json://127.0.0.1:9/")
    channels = [OTHER, kept_in("NOT_SET"), kept_in("NOBODY_LISTENS"), URL]

    assert tell(case.writing, notice(case), channels, None)

    assert len(channel.told) == 1
    (text,) = told(ledger, case)
    assert text.startswith("opening notice: told 1 of 4 channels")
    for name in ("TOLD_THERE", "NOT_SET", "NOBODY_LISTENS"):
        assert name in text
    assert "hunter2" not in text + row(ledger).error


def test_a_channel_that_hangs_costs_five_seconds_at_most(
    case: Case, ledger: Ledger, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beginning costs nothing, and all channels together cost no more than the limit."""
    monkeypatch.setattr(notices, "LIMIT_SECONDS", 1.0)
    with open_channel() as other:
        other.hang.set()
        monkeypatch.setenv("TOLD_THERE", other.address)
        began = time.monotonic()
        sending = begin(case.writing, notice(case), [OTHER, OTHER, URL], None)
        assert sending
        beginning = time.monotonic() - began
        reached = sending.finish()
        whole = time.monotonic() - began

    assert reached
    assert beginning < 0.9
    assert whole < 3.0
    assert "no answer within 1 s" in row(ledger).error


def test_no_secret_is_told(case: Case, channel: Channel) -> None:
    """What an error message may hold does not reach a channel."""
    tell(
        case.writing,
        notice(case, condition="login failed: password=hunter2 for jane@example.com"),
        [URL],
        None,
    )

    assert "hunter2" not in str(channel.told)
    assert "jane@" not in str(channel.told)


def test_without_channels_a_page_says_so(case: Case, ledger: Ledger) -> None:
    """A page that nobody can receive is a fault that the timeline shows; a notice to nobody is none."""
    assert not tell(case.writing, notice(case, "page-1", insist=True), [], None)
    assert not tell(case.writing, notice(case), [], None)

    assert told(ledger, case) == ["page, level 1: told 0 of 0 channels; no channel is configured"]
