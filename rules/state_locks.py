"""Terraform's state lock: what it says, and whether its holder is proven dead.

Runbook source: 001 «Terraform State Lock Held». `terraform force-unlock` does not check who holds the lock, it
removes it; so the holder is judged first. Age alone never suffices: creating a database writes nothing for 40 minutes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rules.outcomes import Check, Verdict
from rules.values import Frozen

_FRACTION = re.compile(r"(\.\d{6})\d*")
_BLOCK_LINE = re.compile(r"^\s*(ID|Path|Operation|Who|Version|Created|Info):[ \t]*(.*)$", re.MULTILINE)


class StateLock(Frozen):
    """A held lock. `who` is user@host; `created` is when it was taken, UTC."""

    id: str
    who: str
    operation: str
    created: datetime
    path: str = ""
    info: str = ""

    def __str__(self) -> str:
        return f"lock {self.id} of {self.who} since {self.created:%Y-%m-%d %H:%M:%S} UTC ({self.operation})"


@dataclass(frozen=True, slots=True)
class OwnRun:
    """One Terraform process that we started: as whom, when, which lock it was seen to hold, whether it lives.

    `ended` is None while it runs, and when we died before it ended.
    """

    who: str
    begun: datetime
    lock_id: str
    dead: bool
    incident: str
    ended: datetime | None = None


FREEZE = "RecoveryFreeze"
"""The operation that a recovery's own lock names: Terraform shows it to whoever wants to deploy meanwhile."""


class Holder(StrEnum):
    """Who holds a lock."""

    OUR_DEAD = "a dead run of ours"
    OUR_LIVE = "a live run of ours"
    THIS_RECOVERY = "this recovery, which keeps deployments out"
    GONE = "a process of this host that is gone"
    FOREIGN = "somebody else"


DEAD = frozenset({Holder.OUR_DEAD, Holder.GONE})
"""Holders that are proven dead. Only our own is unlocked without asking: a host's name may be that of many."""


class Judgement(Frozen):
    """Who holds a lock, and why we think so."""

    holder: Holder
    reason: str


def judge(
    lock: StateLock,
    runs: Iterable[OwnRun],
    *,
    alone: bool = False,
    host: str = "",
    incident: str = "",
    ended: frozenset[str] = frozenset(),
) -> Judgement:
    """Whether a lock was left by a dead run of ours. Anything not proven is somebody else's.

    `alone` says that no Terraform that ran on this host (named `host`) when the lock was taken runs there still.

    A freeze names its incident: it is ours while that is `incident`, and left behind once that is among the `ended`.

    A run that died before its lock id was seen proves nothing: a colleague may have taken the lock since. One that
    ended by itself may have left a lock that it never knew of (the answer to its request was lost, and the repeated
    request met the lock of the first): it was taken in that run's time, as that run's user on that run's host, and
    with `alone`, no Terraform of anybody is left on this host from that time.
    """
    if lock.operation == FREEZE:
        return _judged_freeze(lock, incident, ended)
    for run in runs:
        if run.lock_id == lock.id and not run.dead:
            return Judgement(
                holder=Holder.OUR_LIVE, reason=f"{lock} is our own run's for {run.incident}, still working"
            )
        if run.lock_id == lock.id:
            return Judgement(
                holder=Holder.OUR_DEAD,
                reason=f"{lock} was taken by our own run for {run.incident}, whose process is dead",
            )
        in_its_time = run.ended is not None and run.begun <= lock.created <= run.ended
        if alone and run.dead and in_its_time and lock.who == run.who:
            return Judgement(
                holder=Holder.OUR_DEAD,
                reason=f"{lock} was taken during our own run for {run.incident}, which has ended",
            )
    if alone and host and lock.who.rpartition("@")[2] == host:
        return Judgement(
            holder=Holder.GONE,
            reason=f"{lock} was taken on this host, {host}, where no Terraform of that time is left",
        )
    return Judgement(
        holder=Holder.FOREIGN, reason=f"{lock} is not ours; nothing proves that its holder is dead"
    )


def frozen_by(lock: StateLock) -> str:
    """The incident whose recovery keeps deployments out by this lock; empty: it is no freeze."""
    return lock.info.partition(" ")[0] if lock.operation == FREEZE else ""


def _judged_freeze(lock: StateLock, incident: str, ended: frozenset[str]) -> Judgement:
    named = frozen_by(lock)
    if named and named == incident:
        return Judgement(holder=Holder.THIS_RECOVERY, reason=f"{lock} is this recovery's own")
    if named in ended:
        return Judgement(holder=Holder.OUR_DEAD, reason=f"{lock} was left by {named}, which has ended")
    return Judgement(holder=Holder.FOREIGN, reason=f"{lock} keeps deployments out: {lock.info}")


def judge_lock(lock: StateLock | None, judgement: Judgement | None) -> Check:
    """Whether a state's lock is stale: a holder that may be alive is neither pass nor fail."""
    wanted = "free, or held by somebody who works"
    if lock is None or judgement is None:
        return Check(name="state lock", verdict=Verdict.PASS, reason="nobody holds the lock", wanted=wanted)
    verdict = Verdict.FAIL if judgement.holder in DEAD else Verdict.INCONCLUSIVE
    return Check(
        name="state lock", verdict=verdict, reason=judgement.reason, wanted=wanted, seen=judgement.holder
    )


def taken_by(lock: StateLock, who: str, begun: datetime) -> bool:
    """Whether a lock was taken by the process that `who` began at `begun`: seen while that process runs."""
    return lock.who == who and lock.created >= begun


def from_json(text: str) -> StateLock:
    """Read the lock as S3 and DynamoDB store it; ValueError when it is not one."""
    try:
        body = json.loads(text)
        return _lock({str(key): str(value) for key, value in body.items()})
    except (AttributeError, KeyError) as error:
        raise ValueError("not a Terraform lock") from error


def from_diagnostic(detail: str) -> StateLock | None:
    """Read the `Lock Info` block of an error message; None when it has none."""
    found = {key: value.strip() for key, value in _BLOCK_LINE.findall(detail)}
    try:
        return _lock(found)
    except (KeyError, ValueError):
        return None


def _lock(body: dict[str, str]) -> StateLock:
    return StateLock(
        id=body["ID"],
        who=body["Who"],
        operation=body.get("Operation", ""),
        created=_moment(body["Created"]),
        path=body.get("Path", ""),
        info=body.get("Info", ""),
    )


def _moment(text: str) -> datetime:
    """Go prints up to nine digits after the second, Python reads six; messages add a zone's name at the end."""
    clean = _FRACTION.sub(r"\1", text.removesuffix(" UTC")).replace(" +0000", "+00:00").replace("Z", "+00:00")
    return datetime.fromisoformat(clean)
