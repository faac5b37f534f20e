"""Page one level of an incident's escalation path, if it still waits for it when its time comes."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from flows._environments import environment_named
from flows._escalations import begin_page, mark_paged
from ledger import escalations
from ledger.database import open_ledger
from ledger.models import IncidentRow
from rules.errors import RecoveryRefused, StepFailed
from tasks.kinds import pause, say

TRIES = 5
PAUSE_SECONDS = 20.0


@flow(name="escalate", flow_run_name="escalate-{incident}-level-{level}")
def escalate(
    incident: Annotated[
        str, Field(title="Incident", description="Its id, for instance inc-20260131-0312-k7qd2m.")
    ],
    level: Annotated[
        int, Field(ge=1, le=99, title="Level", description="Of the environment's escalation path, from 1.")
    ],
) -> str:
    """Page a level of the escalation path. Source: runbook 001 «Escalation Matrix», 004 «Escalation Matrix».

    Scheduled by the frame before it acts and cancelled at the end: a dead process still pages. It pages once, and
    nobody when the incident has ended well. Where a level cannot be reached, the next one up is tried.

    Raises:
        RecoveryRefused: there is no such incident or environment.
        StepFailed: nobody could be reached.
    """
    ledger = open_ledger()
    with ledger.reading() as session:
        row = session.get(IncidentRow, incident)
        levels = {each.level: each for each in escalations.of_incident(session, incident)} if row else {}
    if row is None:
        raise RecoveryRefused(f"There is no incident {incident}.", hint="`backstop incidents` lists them.")
    due = levels.get(level)
    if due and due.cancelled_at:
        return _told(f"nobody is paged: {incident} ended, level {level} was cancelled")
    if due and due.sent_at:
        return _told(f"level {level} of {incident} was paged at {due.sent_at:%H:%M:%S} UTC")
    environment = environment_named(row.environment)
    highest = max(level, len(environment.escalation.levels))
    for attempt in range(TRIES):
        for each in range(level, highest + 1):
            why = f"Level {level} was due." + (
                "" if each == level else f" Level {level} could not be reached."
            )
            sending = begin_page(ledger.session, ledger, incident, each, environment, why)
            if sending is None or sending.finish():
                for reached in {level, each}:
                    mark_paged(ledger.session, incident, reached)
                return _told(f"level {each} of {incident} was paged")
        if attempt < TRIES - 1:
            pause(PAUSE_SECONDS)
    raise StepFailed(
        f"Nobody from level {level} up could be reached for {incident}.",
        hint="Check the channels of the environment's escalation path; the timeline has each one's error.",
    )


def _told(text: str) -> str:
    say(text)
    return text
