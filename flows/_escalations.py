"""Who is paged when: written to the ledger, scheduled on the server before acting, cancelled at the end.

The ledger decides: a run of `escalate` that fires for a level that was cancelled pages nobody. So a server that
cannot be asked to cancel does no harm, and where there is no server the ledger's rows remain, for whoever looks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Scheduled

from blocks.environment import Environment
from flows import _messages
from flows._prefect_server import prefect_server
from ledger import escalations, leases
from ledger.cases import Case, now
from ledger.database import Ledger
from ledger.models import EscalationRow, IncidentRow, LeaseRow
from ledger.stories import read_story
from rules.escalation import Level, schedule
from rules.outcomes import Finding
from tasks.kinds import scaled
from tasks.notices import Mood, Notice, Sending, Writing, begin

DEPLOYMENT = "escalate/escalate"

log = logging.getLogger("backstop")


def write_levels(case: Case, environment: Environment, finding: Finding) -> None:
    """Write which levels are due when; those of an earlier run of the incident stay as they are."""
    levels = [
        Level(name=level.name, after_seconds=scaled(level.after_seconds))
        for level in environment.escalation.levels
    ]
    with case.writing("the escalation levels") as session:
        known = {row.level for row in escalations.of_incident(session, case.incident_id)}
        opened_at = case.incident(session).opened_at
        for due in schedule(finding.severity, environment.tier, opened_at, levels, finding.situation):
            if due.level not in known:
                escalations.plan_level(session, case.incident_id, due.level, due.name, due.at)
                case.append(
                    session, "escalation", f"level {due.level}, {due.name}, is paged at {due.at:%H:%M:%S} UTC"
                )


def schedule_on_server(case: Case) -> str:
    """Ask the server to run `escalate` for every level that is due; returns why it could not, or nothing."""
    with case.ledger.reading() as session:
        rows = [
            row for row in _waiting(escalations.of_incident(session, case.incident_id)) if not row.flow_run_id
        ]
    if not rows:
        return ""
    made: dict[int, str] = {}
    try:
        with prefect_server() as client:
            if client is None:
                return "this process knows no Prefect server"
            for row in rows:
                made[row.level] = ask_for_page(client, row)
    except Exception as error:  # noqa: BLE001 - whatever the server does, the recovery goes on
        log.warning("escalations of %s are in the ledger only: %s", case.incident_id, error)
        problem = f"{type(error).__name__} from the Prefect server"
    else:
        problem = ""
    with case.writing("the escalations are scheduled") as session:
        for row in escalations.of_incident(session, case.incident_id):
            row.flow_run_id = row.flow_run_id or made.get(row.level)
    return problem


def ask_for_page(
    client: SyncPrefectClient, row: EscalationRow, again: str = "", *, at_once: bool = False
) -> str:
    """Ask the server for the run that pages a level when it is due; its id. The same `again` gives the same run."""
    run = client.create_flow_run_from_deployment(
        client.read_deployment_by_name(DEPLOYMENT).id,
        parameters={"incident": row.incident_id, "level": row.level},
        state=Scheduled(scheduled_time=now() if at_once else row.due_at),
        name=f"page-{row.name.lower().replace(' ', '-') or row.level}-{row.incident_id[-6:]}",
        idempotency_key=f"{row.incident_id}/escalate/{row.level}" + (f"/{again}" if again else ""),
    )
    return str(run.id)


def due_now(case: Case) -> list[int]:
    """The levels that wait no longer: no server runs `escalate` for them, so this run has to page them."""
    with case.ledger.reading() as session:
        rows = _waiting(escalations.of_incident(session, case.incident_id))
    return [row.level for row in rows if row.due_at <= now() and not row.flow_run_id]


def cancel_on_server(ledger: Ledger, incident_id: str) -> None:
    """Take back the runs of levels that were cancelled. It does not matter if that fails."""
    with ledger.reading() as session:
        rows = escalations.of_incident(session, incident_id)
    runs = [UUID(row.flow_run_id) for row in rows if row.flow_run_id and row.cancelled_at and not row.sent_at]
    if not runs:
        return
    try:
        with prefect_server(retries=1) as client:
            if client is None:
                return
            for run in runs:
                state: State[None] = Cancelled(message="The incident ended: nobody is needed.")
                client.set_flow_run_state(run, state, force=True)
    except Exception as error:  # noqa: BLE001 - the ledger has cancelled them already
        log.info("runs of %s stay scheduled and will page nobody: %s", incident_id, error)


def begin_page(
    writing: Writing, ledger: Ledger, incident_id: str, level: int, environment: Environment, why: str
) -> Sending | None:
    """Begin to page a level with everything that is known; None when it was paged before."""
    with ledger.reading() as session:
        story = read_story(session, incident_id)
        dead = not _run_is_alive(session.get(LeaseRow, story.incident.environment), incident_id)
    levels = environment.escalation.levels
    channels = levels[level - 1].channels if level <= len(levels) else []
    message = _messages.page(story, why, now(), run_is_dead=dead and story.incident.closed_at is None)
    notice = Notice(incident_id, f"page-{level}", message, Mood.FAILURE, insist=True)
    return begin(writing, notice, channels, environment.account)


def mark_paged(writing: Writing, incident_id: str, level: int, name: str = "") -> None:
    """Write that a level was paged, so that its scheduled run does not page again."""
    with writing("a level was paged") as session:
        session.get(IncidentRow, incident_id, with_for_update=True)
        row = escalations.plan_level(session, incident_id, level, name, now())
        row.sent_at = row.sent_at or now()


def _waiting(rows: Sequence[EscalationRow]) -> list[EscalationRow]:
    return [row for row in rows if row.sent_at is None and row.cancelled_at is None]


def _run_is_alive(lease: LeaseRow | None, incident_id: str) -> bool:
    return lease is not None and lease.incident_id == incident_id and leases.is_alive(lease, now())
