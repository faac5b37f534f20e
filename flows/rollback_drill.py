"""Rollback drill: something is broken on purpose, and its recovery is watched and graded."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.context import FlowRunContext
from pydantic import Field

from blocks.environment import Environment
from flows._drill_end import close, row_of, take_back_or_owe
from flows._drill_page import show
from flows._drill_run import break_it, observe
from flows._drill_start import chosen, gives_up, refuse_hindered, steady, wish_for
from flows._drill_watch import look
from flows._ladder import Request
from flows._place import refuse_other_place
from ledger import drills
from ledger.cases import now
from ledger.database import open_ledger
from ledger.drills import Opening
from ledger.holders import this_process
from rules.drill_grades import Observed, graded
from rules.drills import AllowedDrill, FaultName
from rules.errors import BackstopError
from rules.outcomes import Verdict
from rules.promises import PROMISES
from rules.values import Frozen
from tasks.drill_faults import prepare_fault
from tasks.kinds import say

UNASKED = Request()
REHEARSAL = "rehearsal"


class Drilled(Frozen):
    """How a drill went. A rehearsal has no grade."""

    drill: str
    environment: str
    scenario: str
    fault: str
    grade: Verdict | None
    reasons: tuple[str, ...]
    incident: str = ""


@flow(name="rollback-drill", flow_run_name="drill in {environment.name}")
def rollback_drill(
    environment: Annotated[
        Environment, Field(title="Environment", description="Where something is broken on purpose.")
    ],
    scenario: Annotated[
        str, Field(title="Scenario", description="What is drilled; empty: whatever was drilled longest ago.")
    ] = "",
    fault: Annotated[
        FaultName | None, Field(title="Fault", description="How it is broken; empty: as its turn comes.")
    ] = None,
    emergency: Annotated[
        bool,
        Field(title="Emergency paths", description="Of the emergency paths, which have their own turns."),
    ] = False,
    rehearse: bool = False,
    approved_by: Annotated[
        str,
        Field(title="Approved by", max_length=80, description="In production: who agreed, other than you."),
    ] = "",
    longest_minutes: Annotated[
        int,
        Field(
            title="Longest, in minutes",
            ge=1,
            le=240,
            description="Then it is stopped; never before the promise is over.",
        ),
    ] = 25,
    request: Request = UNASKED,
) -> Drilled:
    """Break an environment on purpose, let alarm and recovery do their work untouched, undo the fault, and grade.

    1. Choose what was drilled longest ago, of what the environment's policy allows. Refuse while anything else is the
       matter there, or where nobody would come.
    2. See that all is well; write down the world, and how the fault is undone; bring the fault about.
    3. Wait for the incident that the alarm starts, and for its end. Stop for any other alarm or incident, the stop
       lever, or when the time is over.
    4. Undo what is left, always; compare the world with the one before.
    5. Grade: pass, fail or inconclusive against the runbook's promise. A failure opens an issue, and pages where the
       path is critical.

    Source: runbook 002, «Testing Rollback Procedures»; 004, «Test rollback in staging weekly».

    Args:
        environment: Where something is broken on purpose. Its file says what may be.
        scenario: What is drilled.
        fault: How it is broken.
        emergency: Whether it is one of the emergency paths.
        rehearse: Only say what would be done; nothing is changed.
        approved_by: Who agreed to a drill in production.
        longest_minutes: Then it is stopped and undone.
        request: Who asks for it and why. Every field may stay empty.

    Raises:
        RecoveryRefused: it may not begin; nothing was changed.
    """
    drill = chosen(environment, fault.value if fault else "", scenario, emergency)
    refuse_other_place(environment)
    refuse_hindered(environment, drill, request.requested_by, approved_by, now())
    if rehearse:
        return _rehearsed(environment, drill)
    number = _opened(environment, drill, request, approved_by, longest_minutes)
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
    return Drilled(
        drill=number,
        environment=environment.name,
        scenario=row.scenario,
        fault=row.fault,
        grade=verdict.grade,
        reasons=verdict.reasons,
        incident=row.incident_id or "",
    )


def _opened(
    environment: Environment, drill: AllowedDrill, request: Request, approved_by: str, minutes: int
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
        began_by=request.requested_by,
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
    note = prepare_fault(environment, drill, wish_for(environment, drill, REHEARSAL))
    within = PROMISES[drill.drills].seconds
    told = (
        f"would bring about {drill.fault.value} and wait for {drill.drills}, promised within {within:g} s",
        f"would break {', '.join(sorted(note)) or 'nothing but an alarm'}",
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
