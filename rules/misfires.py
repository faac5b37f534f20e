"""A test run that acted in an account that is not its own: which, what it did there, how sure that is.

Runbook source: 000, scenario 3. CloudTrail's event history holds management events, up to a quarter of an hour late;
messages are none of them, so these are counted by the run's own word and by the queue's metric.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from rules.outcomes import Check, Verdict
from rules.values import Frozen

TRAIL_DELAY, METRIC_DELAY = timedelta(minutes=15), timedelta(minutes=5)
"""So late AWS may still tell of something."""

_QUEUE = re.compile(r"/([0-9]{12})/([A-Za-z0-9_.-]+)$")
_SHOWN = 5


class TrailEvent(Frozen):
    """One call as CloudTrail tells it. `key` is the access key's id; `subject` what it was about."""

    id: str
    call: str
    at: datetime
    read_only: bool
    agent: str = ""
    key: str = ""
    subject: str = ""

    @property
    def told(self) -> str:
        """In a few words."""
        return f"{self.call} {self.subject}".strip()


class Trail(Frozen):
    """What CloudTrail tells of a time. `cut`: there was more than we read."""

    events: tuple[TrailEvent, ...] = ()
    cut: bool = False


class Sent(Frozen):
    """Messages sent to a queue, by the run's own word, and by the queue's metric (None: it does not say)."""

    queue: str
    by_run: int
    by_metric: int | None


def account_of(queue_url: str) -> str:
    """The account that a queue is in; empty when the address does not say."""
    found = _QUEUE.search(queue_url)
    return found[1] if found else ""


def foreign_accounts(urls: Iterable[str], own: str) -> dict[str, tuple[str, ...]]:
    """Every other account that these queues are in, with its queues."""
    found: dict[str, list[str]] = {}
    for url in urls:
        account = account_of(url)
        if account and account != own and url not in found.setdefault(account, []):
            found[account].append(url)
    return {account: tuple(queues) for account, queues in found.items()}


def done_by(run: str, trail: Trail) -> tuple[TrailEvent, ...]:
    """The run's own calls: what names it, and whatever was asked with the same key in its time."""
    keys = {event.key for event in trail.events if run in event.agent and event.key}
    return tuple(event for event in trail.events if run in event.agent or event.key in keys)


def judge_account(account: str, *, alive: bool, blocked: bool, kit_refuses: bool) -> Check:
    """Whether a run can still act in an account that is not its own."""
    name, wanted = f"account {account}", "stopped and blocked"
    open_ = [
        word
        for word, true in (
            ("the run still acts there", alive),
            ("it is not blocked", not blocked),
            ("the kit does not refuse it", not kit_refuses),
        )
        if true
    ]
    if open_:
        return Check(name=name, verdict=Verdict.FAIL, reason="; ".join(open_), wanted=wanted)
    return Check(
        name=name, verdict=Verdict.PASS, reason="it is blocked, here and in the kit's settings", wanted=wanted
    )


def judge_trail(account: str, trail: Trail | None, until: datetime, now: datetime) -> Check:
    """How complete CloudTrail is. None: nobody may look there."""
    name, wanted = f"CloudTrail of {account}", "complete"
    if trail is None:
        told = "nobody may look there: nothing but the run's own word is known"
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason=told, wanted=wanted)
    count = f"{len(trail.events)} calls of that time by anybody"
    if trail.cut:
        told = f"{count}, and there are more than were read"
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason=told, wanted=wanted)
    ready = until + TRAIL_DELAY
    if now < ready:
        later = f"Look at CloudTrail of {account} again after {ready:%H:%M} UTC: it may still tell of more."
        return Check(name=name, verdict=Verdict.PASS, reason=f"{count}; it may be late", left=later)
    return Check(name=name, verdict=Verdict.PASS, reason=f"{count}; it is complete")


def judge_calls(account: str, run: str, trail: Trail) -> list[Check]:
    """What of management calls was the run's: what it read, what it changed."""
    mine = done_by(run, trail)
    read = [event.told for event in mine if event.read_only]
    written = [event.told for event in mine if not event.read_only]
    unknown = len(trail.events) - len(mine)
    others = f"; {unknown} calls name another" if unknown else ""
    return [
        Check(name=f"data read in {account}", verdict=Verdict.PASS, reason=_shown(read) + others,
              left=f"See what {_shown(read)} gave away in {account}." if read else ""),
        Check(name=f"writes in {account}", verdict=Verdict.PASS, reason=_shown(written),
              left=f"Undo by hand in {account}: {_shown(written)}." if written else ""),
    ]  # fmt: skip


def judge_sent(sent: Sent, ids: Sequence[str], until: datetime, now: datetime) -> Check:
    """How many messages a queue was sent, and whether two witnesses agree."""
    name = f"messages sent to {sent.queue}"
    told = f"{sent.by_run} by the run's own word ({_shown(sorted(ids))})"
    cleaning = (
        f"Let the owner of {sent.queue} take the run's {sent.by_run} messages out by their correlation ids, which "
        "the evidence holds; nothing was deleted there."
    )
    if sent.by_metric is None:
        return Check(name=name, verdict=Verdict.PASS, reason=f"{told}; no metric says", left=cleaning)
    counted = f"{told}; its metric says {sent.by_metric} of everybody"
    if sent.by_metric < sent.by_run and now >= until + METRIC_DELAY:
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason=f"{counted}: less", left=cleaning)
    return Check(name=name, verdict=Verdict.PASS, reason=counted, left=cleaning)


def sentence_of(run: str, case: str, began: datetime | None, ended: datetime | None) -> str:
    """What ran, when and for how long, as an incident report begins."""
    since = f"from {began:%Y-%m-%d %H:%M:%S} UTC" if began else "since nobody knows when"
    lasted = f", for {(ended - began).total_seconds():.0f} s" if began and ended else ""
    return f"{run}, case {case or 'unknown'}, {since}{lasted}"


def messages_of(queues: Mapping[str, int], account: str) -> dict[str, int]:
    """Of messages by queue address, those in one account, by the queue's name."""
    return {url.rpartition("/")[2]: number for url, number in queues.items() if account_of(url) == account}


def _shown(told: Sequence[str]) -> str:
    """The first few of many."""
    if not told:
        return "none"
    more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return ", ".join(told[:_SHOWN]) + more
