"""Rollback drill: something is broken on purpose, and its recovery is watched and graded."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.context import FlowRunContext
from pydantic import Field

from blocks.environment import Environment
from flows._drill_end import close, row_of, take_back_or_owe
from flows._drill_page import Drilled, show, shown
from flows._drill_run import break_it, observe
from flows._drill_start import chosen, gives_up, refuse_hindered, steady, wish_for
from flows._drill_watch import look
from flows._place import refuse_other_place
from ledger import drills
from ledger.cases import now
from ledger.database import open_ledger
from ledger.drills import Opening
from ledger.holders import this_process
from rules.drill_grades import Observed, graded
from rules.drills import FAULT_KINDS, AllowedDrill, FaultName
from rules.errors import BackstopError
from rules.outcomes import Verdict
from rules.promises import PROMISES
from tasks.drill_faults import prepare_fault
from tasks.kinds import say

REHEARSAL = "rehearsal"


@flow(name="rollback-drill", flow_run_name="drill in {environment.name}")
def rollback_drill(
    environment: Annotated[
        Environment, Field(title="Environment", description="Where something is broken on purpose.")
    ],
    scenario: Annotated[
        str,
        Field(
            title="Scenario",
            description="Whose recovery is drilled, e.g. canary-failure; empty: whichever waited longest.",
        ),
    ] = "",
    fault: Annotated[
        FaultName | None,
        Field(
            title="Fault",
            description="What is broken, of what the environment's file allows; empty: what fits the scenario.",
        ),
    ] = None,
    emergency: Annotated[
        bool,
        Field(
            title="Emergency paths",
            description="Where nothing is chosen: the next of the emergency paths, not of the usual ones.",
        ),
    ] = False,
    approved_by: Annotated[
        str,
        Field(
            title="Approved by", max_length=80, description="In production only: who agreed, other than you."
        ),
    ] = "",
    longest_minutes: Annotated[
        int,
        Field(
            title="Longest wait, in minutes",
            ge=1,
            le=240,
            description="Then the drill is stopped and its fault undone; the promised time is waited in any case.",
        ),
    ] = 25,
    rehearse: bool = False,
    requested_by: Annotated[
        str, Field(title="Your name", max_length=80, description="Who asks for the drill; kept with it.")
    ] = "",
) -> Drilled:
    """Break an environment on purpose, let alarm and recovery do their work untouched, undo the fault, and grade.

    1. Choose what was drilled longest ago, of what the environment's policy allows. Refuse while anything else is the
       matter there, or where nobody would come.
    2. See that all is well; write down the world, and how the fault is undone; bring the fault about.
    3. Wait for the incident that the alarm starts (where none can tell of the fault, the drill does), and for its end.
       Stop for any other alarm or incident, the stop lever, or when the time is over.
    4. Undo what is left, always; compare the world with the one before.
    5. Grade: pass, fail or inconclusive against the runbook's promise. A failure opens an issue, and pages where the
       path is critical.

    Source: runbook 002, «Testing Rollback Procedures»; 004, «Test rollback in staging weekly».

    Args:
        environment: Where something is broken on purpose. Its file says what may be.
        scenario: What is drilled.
        fault: How it is broken.
        emergency: Whether it is one of the emergency paths.
        approved_by: Who agreed to a drill in production.
        longest_minutes: Then it is stopped and undone.
        rehearse: Only say what would be done; nothing is changed.
        requested_by: Who asks for it.

    Raises:
        RecoveryRefused: it may not begin; nothing was changed.
    """
    drill = chosen(environment, fault.value if fault else "", scenario, emergency)
    refuse_other_place(environment)
    refuse_hindered(environment, drill, requested_by, approved_by, now())
    if rehearse:
        return shown(_rehearsed(environment, drill))
    number = _opened(environment, drill, requested_by, approved_by, longest_minutes)
    seen = Observed(scenario=drill.drills, promised_seconds=PROMISES[drill.drills].seconds)
    try:
        seen = _drilled(environment, drill, number, seen)
    except BackstopError as error:
        seen = seen.model_copy(update={"stopped": error.message, "incident": look(number)[0]})
    finally:
        _, later = take_back_or_owe(environment, number)
    verdict = graded(seen)
    if later:
        verdict = verdict.model_copy(update={"reasons": (*verdict.reasons, later)})
    close(environment, number, verdict, seen.incident.id if seen.incident else None)
    row = row_of(number)
    show(row)
    return shown(
        Drilled(
            drill=number,
            environment=environment.name,
            scenario=row.scenario,
            fault=row.fault,
            grade=verdict.grade,
            reasons=verdict.reasons,
            incident=row.incident_id or "",
        )
    )


def _opened(
    environment: Environment, drill: AllowedDrill, requested_by: str, approved_by: str, minutes: int
) -> str:
    context, at = FlowRunContext.get(), now()
    run = str(context.flow_run.id) if context and context.flow_run else None
    opening = Opening(
        environment=environment.name,
        tier=environment.tier.value,
        scenario=drill.drills,
        fault=drill.fault.value,
        emergency=drill.emergency,
        promised_seconds=PROMISES[drill.drills].seconds,
        gives_up_at=gives_up(at, minutes, PROMISES[drill.drills].seconds),
        began_by=requested_by,
        approved_by=approved_by,
        flow_run_id=run,
    )
    with open_ledger().session("drill: opened") as session:
        return drills.open_drill(session, opening, this_process(run or ""), at)


def _drilled(environment: Environment, drill: AllowedDrill, number: str, seen: Observed) -> Observed:
    before = steady(environment, drill.drills)
    if before.verdict is not Verdict.PASS:
        return seen.model_copy(update={"not_steady": before.reasons or ("nothing could be looked at",)})
    injected_at = break_it(environment, drill, number)
    return observe(environment, drill, number, seen.model_copy(update={"injected_at": injected_at}))


def _rehearsed(environment: Environment, drill: AllowedDrill) -> Drilled:
    """What would be done, looked up as far as looking goes."""
    found = steady(environment, drill.drills)
    prepare_fault(environment, drill, wish_for(environment, drill, REHEARSAL))  # refuses what cannot be
    within = PROMISES[drill.drills].seconds
    about = FAULT_KINDS[drill.fault].about
    told = (
        f"would bring about {drill.fault.value}{f': {about}' if about else ''}",
        *([f"would set the alarm {drill.alarm}, for none notices it"] if drill.alarm else []),
        f"would wait for {drill.drills}, promised within {within:g} s",
        "all is well now" if found.verdict is Verdict.PASS else f"not now: {'; '.join(found.reasons)}",
    )
    for line in told:
        say(f"{line[0].upper()}{line[1:]}.")
    return Drilled(
        drill=REHEARSAL,
        environment=environment.name,
        scenario=drill.drills,
        fault=drill.fault.value,
        grade=None,
        reasons=told,
    )
