"""Drills that nobody finishes: their fault is undone as soon as nobody acts there, and they get their end."""

from __future__ import annotations

from flows._drill_end import close, owed, take_back_or_owe
from flows._drill_findings import tell
from flows._environments import environment_named
from ledger import drills
from ledger.cases import now
from ledger.database import open_ledger
from ledger.drill_rows import DrillRow
from rules.drill_grades import Observed, graded
from rules.errors import BackstopError, StepFailed


def finish_drills() -> list[str]:
    """Undo, end and tell what dead drills left; what was done, a line each.

    Raises:
        StepFailed: one of them could not be looked after; the others were.
    """
    with open_ledger().reading() as session:
        rows = drills.unfinished(session, now())
    done, failed = [], []
    for row in rows:
        try:
            done.append(_finish(row))
        except BackstopError as error:
            failed.append(f"{row.id}: {error.message}")
    if failed:
        raise StepFailed("; ".join(failed), hint="Undo them by hand: `backstop drill` lists them.")
    return [told for told in done if told]


def _finish(row: DrillRow) -> str:
    environment, done = environment_named(row.environment), []
    if owed(row.id):
        left, _ = take_back_or_owe(environment, row.id)
        if left is not None:
            done.append(f"its fault is undone{f' ({left})' if left else ''}")
    if row.ended_at is None:
        with open_ledger().reading() as session:
            incident = drills.answering(session, row)
        seen = Observed(scenario=row.scenario, promised_seconds=row.promised_seconds, died=True)
        close(environment, row.id, graded(seen), incident.id if incident else None)
        done.append("it is ended as inconclusive, for its process is dead")
    elif row.told_at is None and tell(environment, row):
        done.append("people are told")
    return f"drill {row.id}: {'; '.join(done)}" if done else ""
