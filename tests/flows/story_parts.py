"""The parts that a story is written from, each into its tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from ledger import timeline
from ledger.incidents import phase_seconds
from ledger.models import AlarmRow, EscalationRow, IncidentRow, NoticeRow, PlanRow, StepRow
from rules.escalation import Message
from rules.outcomes import Ending, Phase
from tests.flows.story_facts import BAD, FUNCTIONS, GOOD, OPENED, at, finding, plan


def entry(
    session: Session,
    incident: str,
    second: float,
    phase: Phase,
    kind: str,
    text: str,
    data: dict[str, Any] | None = None,
) -> None:
    """One timeline entry."""
    timeline.append(session, incident, at=at(second), phase=phase, kind=kind, text=text, data=data, fence=12)


def open_incident(session: Session, incident: str) -> None:
    """The alarm, the incident, its finding, the opening notice and the escalation levels."""
    session.add(
        AlarmRow(
            id=f"alarm-{incident[-6:]}",
            source="sns",
            external_id=f"m-{incident}",
            received_at=at(-0.41),
            occurred_at=at(-14.2),
            name="prod-sentiment-dashboard-errors",
            status="ALARM",
            scenario="canary-failure",
            environment="prod",
            state="dispatched",
        )
    )
    session.add(
        IncidentRow(
            id=incident,
            scenario="canary-failure",
            environment="prod",
            tier="production",
            opened_at=OPENED,
            opened_by="alarm prod-sentiment-dashboard-errors",
            reason="the canary of the deployment failed",
            alarm_id=f"alarm-{incident[-6:]}",
            flow_run_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
            budget_seconds=300.0,
            severity="critical",
            finding=finding().model_dump(mode="json"),
        )
    )
    session.flush()
    entry(
        session,
        incident,
        0.0,
        Phase.DETECT,
        "opened",
        "incident opened by backstop@ops-1 pid 4711, fencing number 12",
    )
    entry(session, incident, 0.02, Phase.DETECT, "phase", "detect")
    entry(session, incident, 0.31, Phase.DETECT, "notice", "opening notice: told 2 of 2 channels")
    entry(
        session,
        incident,
        2.64,
        Phase.DETECT,
        "finding",
        f"fail: {finding().summary}",
        finding().model_dump(mode="json"),
    )
    session.add(
        NoticeRow(
            incident_id=incident,
            kind="opening",
            title="prod: canary failure",
            intent_at=at(0.05),
            sent_at=at(0.3),
            channels=2,
        )
    )
    for level, (name, due) in enumerate(
        (("on-call engineer", 300), ("technical lead", 600), ("business owner", 900)), 1
    ):
        session.add(EscalationRow(incident_id=incident, level=level, name=name, due_at=at(due)))


def planned(session: Session, incident: str, second: float, rung: str, state: str) -> None:
    """One rung: decided, allowed, snapshot taken."""
    decided = plan(rung)
    entry(session, incident, second, Phase.DECIDE, "phase", f"decide: {rung}")
    row = PlanRow(
        incident_id=incident,
        rung=rung,
        digest=decided.digest,
        body=decided.model_dump(mode="json"),
        state=state,
        pinned_at=at(second + 1.9),
        snapshot={f"prod-sentiment-{name}": f"{BAD}, version 7" for name in FUNCTIONS},
    )
    session.add(row)
    session.flush()
    entry(
        session, incident, second + 1.9, Phase.DECIDE, "decision", decided.title, {"digest": decided.digest}
    )
    entry(session, incident, second + 1.95, Phase.GUARD, "phase", "guard")
    entry(
        session,
        incident,
        second + 2.0,
        Phase.GUARD,
        "guard",
        "automatic: critical and reversible: waiting costs more than acting",
    )
    entry(session, incident, second + 2.1, Phase.SNAPSHOT, "phase", "snapshot")
    entry(session, incident, second + 2.7, Phase.SNAPSHOT, "snapshot", "the state before, of 3 subjects")
    entry(session, incident, second + 2.75, Phase.ACT, "phase", f"act: {decided.title}")


def step(
    session: Session,
    incident: str,
    begin: float,
    end: float | None,
    action: str,
    subject: str,
    result: str | None = "changed",
    detail: str = "",
    attempt: int = 1,
    error: str = "",
) -> None:
    """One action's journal and its timeline entry; without an end it was cut off."""
    session.add(
        StepRow(
            incident_id=incident,
            fence=12,
            phase="act",
            action=action,
            subject=subject,
            attempt=attempt,
            intent_at=at(begin),
            result_at=at(end) if end is not None else None,
            result=result,
            error=error,
            effect={
                "subject": subject,
                "changed": result == "changed",
                "before": BAD,
                "after": GOOD,
                "detail": detail,
            }
            if result in ("changed", "unchanged")
            else None,
        )
    )
    if end is not None:
        told = f"failed. {error}" if result == "failed" else f"{result}, {BAD} → {GOOD}"
        entry(session, incident, end, Phase.ACT, "step", f"{action} {subject}: {told}")


def close(session: Session, row: IncidentRow, second: float, ending: Ending, reason: str, hint: str) -> None:
    """The ending, the closing notice and the report phase."""
    row.ending, row.ending_reason, row.ending_hint = ending.value, reason, hint
    entry(session, row.id, second, Phase.VERIFY, "ending", f"{ending.value}: {reason}", {"hint": hint})
    entry(session, row.id, second + 0.05, Phase.REPORT, "phase", "report")
    told = Message(
        title=f"prod: canary failure, {ending.value}",
        condition=reason,
        actions=("Ask the lock's owner",),
        needs=hint,
    )
    entry(
        session,
        row.id,
        second + 0.6,
        Phase.REPORT,
        "notice",
        "closing notice: told 2 of 2 channels",
        told.model_dump(mode="json", exclude={"where"}),
    )
    session.add(
        NoticeRow(
            incident_id=row.id,
            kind="closing",
            title=f"prod: {ending.value}",
            intent_at=at(second + 0.1),
            sent_at=at(second + 0.6),
            channels=2,
        )
    )
    row.phase, row.closed_at = "report", at(second + 0.7)
    session.flush()
    row.seconds = {phase.value: taken for phase, taken in phase_seconds(session, row.id).items()}
