"""A drill that failed is a finding: an issue, and a page where the path is critical. Each is told once."""

from __future__ import annotations

from datetime import timedelta

from blocks.environment import Environment
from blocks.github_errors import RateLimited
from ledger.cases import now
from ledger.database import open_ledger
from ledger.drill_rows import DrillRow
from rules.drills import FAULT_KINDS, FaultName
from rules.errors import StepFailed, TransientFailure
from rules.escalation import Message
from rules.outcomes import Verdict
from rules.promises import PROMISES
from rules.severity import Severity
from tasks.announcements import announce
from tasks.github_messages import put_finding
from tasks.kinds import say
from tasks.notices import Mood

_TRIED_FOR = timedelta(days=1)
"""So long the issue is tried again while GitHub does not answer; then people are told without one."""
_PAGED = "paged"


def tell(environment: Environment, row: DrillRow) -> bool:
    """Tell people of a drill that failed; false where GitHub does not answer now: the janitor tries it again.

    Where the path is not critical, the issue is what people see: if there can be none, they are told instead.
    """
    if row.told_at is not None:
        return True
    say(f"{row.id}: {row.grade}: {'; '.join(_reasons(row))}.")
    if row.grade == Verdict.FAIL.value:
        critical = PROMISES[row.scenario].severity is Severity.CRITICAL
        if critical:
            _page(environment, row)
        try:
            missing = _find(environment, row)
        except (TransientFailure, RateLimited) as error:
            if row.ended_at is None or now() - row.ended_at < _TRIED_FOR:
                say(f"The issue is opened once GitHub answers: {error.message}")
                return False
            missing = error.message
        if missing and not critical:
            announce(environment, row.id, _message(row, missing), Mood.WARNING)
    with open_ledger().session("drill: told") as session:
        session.get_one(DrillRow, row.id).told_at = now()
    return True


def _page(environment: Environment, row: DrillRow) -> None:
    """Once, though the issue may need another try."""
    if row.reasons.get(_PAGED):
        return
    announce(environment, row.id, _message(row), Mood.FAILURE)
    with open_ledger().session("drill: paged") as session:
        kept = session.get_one(DrillRow, row.id)
        kept.reasons = kept.reasons | {_PAGED: True}


def _find(environment: Environment, row: DrillRow) -> str:
    """Open the issue, or say on the open one that it happened again; why there is none, empty: there is one."""
    if environment.github is None:
        return "the environment's file names no GitHub repository"
    matter = f"drill {row.environment} {row.fault} {row.scenario}"
    try:
        put_finding(
            environment, f"Drill failed: {row.scenario} in {row.environment}", matter, row.id, _body(row)
        )
    except (TransientFailure, RateLimited):
        raise
    except StepFailed as error:
        say(f"The issue could not be opened; the ledger has the grade: {error.message}")
        return error.message
    return ""


def _reasons(row: DrillRow) -> list[str]:
    return [str(reason) for reason in row.reasons.get("reasons", ())]


def _body(row: DrillRow) -> str:
    about = FAULT_KINDS[FaultName(row.fault)].about
    brought = f"`{row.fault}`{f' ({about})' if about else ''}"
    reasons = "\n".join(f"- {reason}" for reason in _reasons(row))
    look = f"`backstop show {row.incident_id}`" if row.incident_id else "the log of the drill's run"
    return (
        f"The drill `{row.id}` of {row.began_at:%Y-%m-%d %H:%M} UTC brought about {brought} in {row.environment}. "
        f"`{row.scenario}` is promised within {row.promised_seconds:g} s, and did not keep that:\n\n{reasons}\n\n"
        f"- [ ] Find the cause: {look}.\n- [ ] Mend it.\n"
        f"- [ ] Drill it again: `backstop drill start {row.environment} --fault {row.fault} "
        f"--scenario {row.scenario}`."
    )


def _message(row: DrillRow, missing: str = "") -> Message:
    undone = "its fault is undone" if row.undone_at else "its fault may still be there"
    no_issue = (f"No issue could be opened: {missing}",) if missing else ()
    return Message(
        title=f"{row.environment}: the drill of {row.scenario} failed",
        condition=f"{'; '.join(_reasons(row))}. It was a drill: {undone}.",
        actions=(f"drill {row.id}", f"fault {row.fault}", *no_issue),
        needs=f"Find out why: `backstop show {row.incident_id}`." if row.incident_id else "Find out why.",
    )
