"""Flow runs that hang between two states because whoever was to carry them on is gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from rules.values import Frozen

OURS_TAG = "backstop"
"""Marks a deployment as ours."""

RECOVERY_TAG = "recovery"
"""On the deployments whose runs are taken up again when their process dies."""

NOT_BEGUN = timedelta(minutes=2)
"""Pending or Submitting: a run begins a second after it was taken, half a minute on the busiest worker."""

NOT_CANCELLED = timedelta(minutes=4)
"""Cancelling: a cancelled run has two minutes to clean up before its responder kills it."""

NOT_ENDED = timedelta(hours=6)
"""Running upkeep. A recovery may wait for people: its lease tells whether it lives."""


class Stage(StrEnum):
    """The state types in which a run can hang."""

    PENDING = "PENDING"
    CANCELLING = "CANCELLING"
    RUNNING = "RUNNING"


class Mend(StrEnum):
    """The state that a stuck run is brought to."""

    AGAIN = "again"
    CRASHED = "crashed"
    CANCELLED = "cancelled"


class SeenRun(Frozen):
    """One run as the server has it, and since when."""

    name: str
    stage: Stage
    state: str
    since: datetime
    recovery: bool


class Mending(Frozen):
    """What to do with a stuck run, and why."""

    mend: Mend
    reason: str


def stuck(run: SeenRun, now: datetime) -> Mending | None:
    """Whether a run is stuck, and how it is mended; None: it is not."""
    age = now - run.since
    told = f"{run.state} for {age.total_seconds() / 60:.0f} minutes"
    if run.stage is Stage.CANCELLING and age > NOT_CANCELLED:
        return Mending(mend=Mend.CANCELLED, reason=f"{told}: nobody is left to end it")
    if run.stage is Stage.PENDING and age > NOT_BEGUN:
        # A recovery is asked for by an incident; upkeep comes by itself the next time.
        mend = Mend.AGAIN if run.recovery else Mend.CRASHED
        return Mending(mend=mend, reason=f"{told}: whoever took it has not begun it")
    if run.stage is Stage.RUNNING and not run.recovery and age > NOT_ENDED:
        return Mending(mend=Mend.CRASHED, reason=f"{told}: no upkeep takes so long")
    return None
