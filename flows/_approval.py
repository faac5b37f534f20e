"""Waiting for people: a form on the paused run in the Prefect UI, or `backstop approve`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound
from prefect.input.run_input import Keyset, RunInput, keyset_from_paused_state
from prefect.states import Paused, Running
from prefect.utilities.engine import propose_state_sync
from pydantic import Field, ValidationError

from blocks.settings import settings
from flows._prediction import paragraph
from ledger import approvals
from ledger.cases import Case, now
from rules.approvals import Answer, Decision, Requirement, Standing, stands
from rules.errors import RecoveryRefused
from rules.plans import Plan
from rules.redaction import redact
from tasks.kinds import pause, say, scaled

LOOK_AGAIN_SECONDS = 30.0
"""How often the world is observed anew while a plan waits."""

DAY = 86_400


class Approval(RunInput):
    """What a person answers to a plan."""

    word: str = Field(
        title="Type ROLLBACK to approve, or REJECT",
        description="Nothing else is accepted. The plan above is exactly what will be done.",
        pattern="^(ROLLBACK|REJECT)$",
    )
    name: str = Field(
        title="Your name",
        description="Recorded in the incident. It must not be the requester's where two must agree.",
        min_length=2,
        max_length=80,
    )
    comment: str = Field(default="", title="Comment", description="Why, for the report.", max_length=500)


class PlanDrifted(Exception):
    """Raised while waiting when what was observed now leads to another plan, or to none."""


def wait_for_people(
    case: Case, plan: Plan, requirement: Requirement, requester: str, drifted: Callable[[], bool]
) -> str:
    """Wait until enough people agree to this plan and return who did; polls every second.

    `drifted` looks at the world again and says whether the plan still is what would be decided.

    Raises:
        RecoveryRefused: somebody rejected it, or nobody answered in time.
        PlanDrifted: the world changed; every answer to this plan is void.
    """
    form = _Form.shown(plan, requirement)
    waited_until = time.monotonic() + scaled(settings().approval_seconds)
    look_again = time.monotonic() + scaled(LOOK_AGAIN_SECONDS)
    try:
        while True:
            if form and (answer := form.answer()):
                _take(case, plan, answer)
                form = (
                    _Form.shown(plan, requirement)
                    if _standing(case, plan, requirement, requester)[0] is Standing.WAITING
                    else None
                )
            standing, reason = _standing(case, plan, requirement, requester)
            if standing is Standing.REJECTED:
                raise RecoveryRefused(
                    f"The plan was {reason}.", hint="Nothing was changed. Start again when that is settled."
                )
            if standing is Standing.APPROVED:
                if drifted():
                    raise PlanDrifted
                return reason
            if time.monotonic() > waited_until:
                raise RecoveryRefused(
                    f"Nobody answered within {settings().approval_seconds:g} s: {reason}.",
                    hint="Nothing was changed. Start again, or act past approvals with a break-glass reason.",
                )
            if time.monotonic() > look_again:
                if drifted():
                    raise PlanDrifted
                look_again = time.monotonic() + scaled(LOOK_AGAIN_SECONDS)
            pause(1.0)
    finally:
        if form:
            form.taken_away()


def break_glass(case: Case, plan: Plan, by: str, reason: str) -> str:
    """Record that somebody acts past the approvals, and why; it is reviewed afterwards."""
    answer = Answer(decision=Decision.BREAK_GLASS, approver=by, comment=reason, source="policy")
    _take(case, plan, answer)
    return f"break-glass by {by}: {reason}"


def _take(case: Case, plan: Plan, answer: Answer) -> None:
    try:
        with case.writing("an answer") as session:
            approvals.give(session, case.incident_id, plan.digest, answer, now())
    except RecoveryRefused as refused:
        say(str(refused))


def _standing(case: Case, plan: Plan, requirement: Requirement, requester: str) -> tuple[Standing, str]:
    with case.ledger.reading() as session:
        given = approvals.answers(session, case.incident_id, plan.digest, now())
    return stands(requirement.policy, given, requester)


class _Form:
    """The form on a paused flow run."""

    def __init__(self, client: SyncPrefectClient, run: UUID, keys: Keyset) -> None:
        self._client, self._run, self._keys = client, run, keys

    @classmethod
    def shown(cls, plan: Plan, requirement: Requirement) -> _Form | None:
        """Pause the current flow run with the form; None outside a flow run."""
        context = FlowRunContext.get()
        if context is None or context.flow_run is None:
            return None
        client = get_client(sync_client=True)
        # The server fails a run whose pause runs out, whatever the flow does next: our own limit comes first.
        limit = int(scaled(settings().approval_seconds)) + DAY
        paused: State[None] = Paused(
            timeout_seconds=limit, reschedule=False, pause_key=f"{plan.digest[:12]}-{time.time_ns()}"
        )
        keys = keyset_from_paused_state(paused)
        paused.state_details.run_input_keyset = {str(name): key for name, key in keys.items()}
        # First the form, then the pause: who sees a paused run can answer it.
        Approval.with_initial_data(description=_told(plan, requirement)).save(keys, context.flow_run.id)
        state = propose_state_sync(client, paused, flow_run_id=context.flow_run.id)
        if not state.is_paused():
            return None
        say(f"Waiting for {requirement.policy.value}: resume this run in the UI, or `backstop approve`.")
        return cls(client, context.flow_run.id, keys)

    def answer(self) -> Answer | None:
        """What was answered in the form, when the run was resumed."""
        state = self._client.read_flow_run(self._run).state
        if state is None or not state.is_running():
            return None
        try:
            given = cast("Approval", Approval.load(self._keys, self._run))
        except (ObjectNotFound, ValidationError):
            return None
        decision = Decision.APPROVE if given.word == "ROLLBACK" else Decision.REJECT
        return Answer(decision=decision, approver=given.name, comment=given.comment, source="prefect")

    def taken_away(self) -> None:
        """Let the run go on without an answer from the form."""
        self._client.set_flow_run_state(self._run, Running(), force=True)


def _told(plan: Plan, requirement: Requirement) -> str:
    rows = "\n".join(f"| {c.subject} | `{c.before}` | `{c.after}` |" for c in plan.changes)
    reasons = "\n".join(f"- {reason}" for reason in plan.reasons)
    text = (
        f"## {plan.title}\n\nNeeds {requirement.policy.value}: {requirement.reason}.\n\n{paragraph(plan.prediction)}"
        f"| what | before | after |\n|---|---|---|\n{rows}\n\n{reasons}\n\nPlan `{plan.digest[:12]}`"
    )
    return redact(text)
