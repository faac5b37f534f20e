"""A realistic incident, written into a ledger at fixed times: the same rows every time."""

from __future__ import annotations

from sqlalchemy.orm import Session

from ledger.database import Ledger
from ledger.models import ApprovalRow, EscalationRow, IncidentRow, NoticeRow
from rules.outcomes import Check, Ending, Phase, Verdict, Verification
from tests.flows.story_facts import FUNCTIONS, GOOD, INCIDENT, at, plan
from tests.flows.story_parts import close, entry, open_incident, planned, step


def write_story(ledger: Ledger, ending: Ending = Ending.RECOVERED, incident: str = INCIDENT) -> str:
    """A canary that failed in prod; recovered on the first rung, or not on either of two."""
    with ledger.session() as session:
        open_incident(session, incident)
        if ending is Ending.RECOVERED:
            recovered(session, incident)
        else:
            not_recovered(session, incident, ending)
    return incident


def recovered(session: Session, incident: str) -> None:
    """The first rung, with one step that had to be tried twice."""
    planned(session, incident, 2.7, "terraform", "verified")
    step(session, incident, 5.6, 8.1, "check_out_infrastructure", "infrastructure at 4f0c9e1")
    step(session, incident, 8.2, 14.9, "plan_terraform", "prod.tfvars", detail="3 to change, 0 to destroy")
    step(
        session,
        incident,
        15.0,
        17.3,
        "apply_terraform",
        "saved plan",
        "failed",
        error="StepFailed: the state is locked",
    )
    step(session, incident, 18.4, 31.7, "apply_terraform", "saved plan", attempt=2)
    step(session, incident, 31.8, 32.4, "set_alias", "prod-sentiment-dashboard:live", "unchanged")
    checks = Verification.of(
        [
            *(
                Check(
                    name=f"live code of prod-sentiment-{name}",
                    verdict=Verdict.PASS,
                    reason="is the target's package",
                    wanted=f"{GOOD}",
                    seen=f"{GOOD}",
                )
                for name in FUNCTIONS
            ),
            Check(
                name="plan without changes",
                verdict=Verdict.PASS,
                reason="no changes and no drift",
                wanted="0",
                seen="0",
            ),
            Check(
                name="health of 3 endpoints",
                verdict=Verdict.PASS,
                reason="passed 3 times in a row",
                wanted="200",
                seen="200",
            ),
            Check(
                name="alarms clear",
                verdict=Verdict.PASS,
                reason="5 alarms OK for 20 s",
                wanted="OK",
                seen="OK",
            ),
        ]
    )
    entry(session, incident, 32.5, Phase.VERIFY, "phase", "verify")
    for second, check in zip((33.1, 33.4, 33.6, 41.0, 47.2, 66.8), checks.checks, strict=True):
        entry(
            session,
            incident,
            second,
            Phase.VERIFY,
            "check",
            f"{check.name}: {check.verdict.value}. {check.reason}",
        )
    row = session.get_one(IncidentRow, incident)
    row.verification = checks.model_dump(mode="json")
    close(session, row, 66.9, Ending.RECOVERED, f"{plan().title}; verified", "")
    for level in session.query(EscalationRow).filter_by(incident_id=incident):
        level.cancelled_at = at(67.6)


def not_recovered(session: Session, incident: str, ending: Ending) -> None:
    """Two rungs fail; the run dies in between and is taken over; somebody breaks the glass."""
    planned(session, incident, 2.7, "terraform", "failed")
    step(session, incident, 5.6, 8.1, "check_out_infrastructure", "infrastructure at 4f0c9e1")
    step(
        session,
        incident,
        8.2,
        61.0,
        "plan_terraform",
        "prod.tfvars",
        "failed",
        error="StepFailed: <Error> acquiring the state lock | held by ci@runner-3",
    )
    entry(session, incident, 61.2, Phase.ACT, "plan", "terraform: failed (the state is locked; not undone)")
    planned(session, incident, 61.3, "direct", "failed")
    step(session, incident, 64.2, 65.0, "set_function_code", "prod-sentiment-ingestion")
    step(session, incident, 64.2, 65.3, "set_function_code", "prod-sentiment-analysis")
    step(session, incident, 64.2, None, "set_function_code", "prod-sentiment-dashboard", None)
    entry(
        session,
        incident,
        171.0,
        Phase.ACT,
        "resume",
        "taken over by backstop@ops-1 pid 4990 with fencing number 13",
    )
    session.add(
        ApprovalRow(
            incident_id=incident,
            digest=plan("direct").digest,
            decision="break-glass",
            approver="Sam Okoro",
            comment="customers see errors; the lock's owner is asleep",
            source="command",
            decided_at=at(174.0),
            expires_at=at(1074.0),
            used_at=at(174.2),
        )
    )
    entry(session, incident, 174.0, Phase.GUARD, "approval", "break-glass by Sam Okoro through command")
    step(
        session,
        incident,
        175.0,
        176.2,
        "set_function_code",
        "prod-sentiment-dashboard",
        "failed",
        attempt=2,
        error="StepFailed: the package of dashboard has another hash than recorded",
    )
    entry(session, incident, 177.0, Phase.VERIFY, "phase", "verify")
    entry(
        session, incident, 301.0, Phase.VERIFY, "escalation", "paged on-call engineer: told 1 of 2 channels"
    )
    checks = Verification.of(
        [
            Check(
                name="health of prod-sentiment-dashboard",
                verdict=Verdict.FAIL,
                reason="answered 500",
                wanted="200",
                seen="500",
            ),
            Check(
                name="alarm prod-sentiment-canary",
                verdict=Verdict.INCONCLUSIVE,
                reason="has no data",
                wanted="OK",
                seen="INSUFFICIENT_DATA",
            ),
        ]
    )
    row = session.get_one(IncidentRow, incident)
    row.verification, row.runs = checks.model_dump(mode="json"), 2
    for level in session.query(EscalationRow).filter_by(incident_id=incident, level=1):
        level.sent_at = at(301.0)
    session.add(
        NoticeRow(
            incident_id=incident,
            kind="page-1",
            title="prod: not recovered",
            intent_at=at(300.2),
            sent_at=at(301.0),
            channels=1,
            error="file /run/pager: no answer within 5 s",
        )
    )
    close(
        session,
        row,
        377.4,
        ending,
        "No way back was left: terraform: the state is locked; direct: "
        "the package of dashboard has another hash than recorded.",
        "A person is needed. The report has everything that was seen and tried.",
    )
