"""Open incidents whose run is dead: their scenario is started again, which resumes them, or people are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from flows._catalogue import scenarios
from flows._escalations import ask_for_page
from flows._run_requests import ask_for_run
from flows._stuck_runs import say_dead
from ledger import escalations, incidents, levers
from ledger.cases import now
from ledger.database import Ledger
from ledger.models import AlarmRow, EscalationRow, IncidentRow, LeaseRow
from rules.errors import RecoveryRefused
from rules.takeups import MOST_REQUESTS, Care, Orphan, RunState, care_for

PATIENCE = timedelta(seconds=30)
"""A level's own run has so long after it was due; then somebody else has to page."""

_GOES = (StateType.RUNNING, StateType.PENDING, StateType.PAUSED, StateType.CANCELLING)


def care_for_orphans(client: SyncPrefectClient, ledger: Ledger) -> list[str]:
    """Take up what is orphaned, or have people paged; what was done, a line each."""
    with ledger.reading() as session:
        rows = incidents.orphaned(session, now())
    return [told for row in rows if (told := _care(client, ledger, row))]


def page_what_is_due(client: SyncPrefectClient, ledger: Ledger) -> list[str]:
    """Have levels paged that are due and that no run on the server pages: it was never made, or is over."""
    with ledger.reading() as session:
        due = escalations.due(session, now() - PATIENCE)
    told = []
    for row in due:
        if row.flow_run_id and not _is_over(_read(client, row.flow_run_id)):
            continue
        run = ask_for_page(client, row, "again" if row.flow_run_id else "", at_once=True)
        if run != row.flow_run_id:
            _write_run(ledger, row, run)
            told.append(f"level {row.level} of {row.incident_id} is paged: it was due and nobody paged it")
    return told


def _care(client: SyncPrefectClient, ledger: Ledger, row: IncidentRow) -> str:
    run = _read(client, row.flow_run_id)
    orphan = _orphan(ledger, row, run)
    decision = care_for(orphan, now())
    if decision.care is Care.WAIT:
        return ""
    if decision.care is Care.ESCALATE:
        return _escalate(client, ledger, row, decision.reason)
    if decision.care is Care.BURY and run is not None:
        say_dead(client, run.id, f"The lease of {row.id} has run out: its process is gone.")
    return _take_up(client, ledger, row, orphan, run)


def _take_up(
    client: SyncPrefectClient, ledger: Ledger, row: IncidentRow, orphan: Orphan, before: FlowRun | None
) -> str:
    """Ask for the run that resumes the incident; one that ended without doing so is followed by another."""
    parameters = _parameters(ledger, row, before)
    for number in range(MOST_REQUESTS):
        try:
            asked = ask_for_run(
                client, row.scenario, row.environment, parameters, orphan.key(number), ("resume",)
            )
        except RecoveryRefused as error:
            return _escalate(client, ledger, row, error.message)
        if not _is_over(asked):
            told = f"{row.id} is taken up by the run {asked.name}"
            return told if _note(ledger, row.id, told) else ""
    return _escalate(client, ledger, row, f"{MOST_REQUESTS} runs ended without taking it up")


def _escalate(client: SyncPrefectClient, ledger: Ledger, row: IncidentRow, why: str) -> str:
    """Have the first level paged now, once; the others follow at their times."""
    told = f"{row.id} cannot be taken up: {why}"
    with ledger.session("an orphan is escalated") as session:
        level = escalations.plan_level(session, row.id, 1, "", now())
        if level.sent_at or level.cancelled_at:
            return ""
    ask_for_page(client, level, "orphan", at_once=True)
    return told if _note(ledger, row.id, told) else ""


def _orphan(ledger: Ledger, row: IncidentRow, run: FlowRun | None) -> Orphan:
    with ledger.reading() as session:
        lease = session.get(LeaseRow, row.environment)
        stopped = levers.pulled(session, row.environment) is not None
    ours = lease if lease is not None and lease.incident_id == row.id else None
    return Orphan(
        incident=row.id,
        scenario=row.scenario,
        environment=row.environment,
        runs=row.runs,
        run_out_at=ours.expires_at if ours else None,
        run=_state(run),
        due_at=run.next_scheduled_start_time if run else None,
        stopped=stopped,
    )


def _state(run: FlowRun | None) -> RunState:
    if run is None or run.state is None:
        return RunState.NONE
    if run.state.type is StateType.SCHEDULED:
        return RunState.WAITS
    return RunState.GOES if run.state.type in _GOES else RunState.OVER


def _parameters(ledger: Ledger, row: IncidentRow, before: FlowRun | None) -> dict[str, Any]:
    """What the incident was asked with: its run's own parameters, or those that its alarm gave."""
    if before is not None:
        return dict(before.parameters)
    with ledger.reading() as session:
        alarm = session.get(AlarmRow, row.alarm_id) if row.alarm_id else None
    request = {"requested_by": row.opened_by, "reason": row.reason, "alarm": row.alarm_id or ""}
    known = {each.name for found in scenarios() if found.name == row.scenario for each in found.parameters}
    # What an incident keeps of its parameters is for the report: not all of it is a parameter.
    given = alarm.parameters if alarm else {k: v for k, v in row.parameters.items() if k in known}
    return {**given, "request": request}


def _read(client: SyncPrefectClient, flow_run_id: str | None) -> FlowRun | None:
    try:
        return client.read_flow_run(UUID(flow_run_id)) if flow_run_id else None
    except (ObjectNotFound, ValueError):
        return None


def _is_over(run: FlowRun | None) -> bool:
    return run is None or (run.state is not None and run.state.is_final())


def _note(ledger: Ledger, incident_id: str, text: str) -> bool:
    """Note it on the incident's timeline; false when that was noted before."""
    with ledger.session("an orphan is cared for") as session:
        return incidents.note_once(session, incident_id, "resume", text)


def _write_run(ledger: Ledger, row: EscalationRow, run: str) -> None:
    with ledger.session("a level's run") as session:
        session.get_one(EscalationRow, row.id).flow_run_id = run
