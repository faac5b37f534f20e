"""Carrying one incident through its phases."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from blocks.environment import Environment
from flows import _people
from flows._ending import left_open, outcome_of, stopped_by_a_person
from flows._ladder import Request, Rung
from flows._limits import within
from flows._permission import PlanDrifted, refuse_if_stopped, requirement_for, seek_permission
from flows._place import refuse_other_place
from ledger import incidents, plans
from ledger.cases import Case
from rules.approvals import Policy
from rules.errors import (
    BackstopError,
    LeaseLost,
    NotRecovered,
    NoWayBack,
    RecoveryRefused,
    StepFailed,
    UndoFailed,
)
from rules.outcomes import Ending, Finding, Outcome, Phase, Verdict, Verification
from rules.plans import Plan
from rules.redaction import redact
from rules.undo import worth_going_back

log = logging.getLogger("backstop")

DETECT_SECONDS = 120.0
DECIDE_SECONDS = 180.0
UNDO_SECONDS = 300.0
MOST_DRIFTS = 3
"""After so many changes of plan while waiting it is refused: nobody can approve a moving target."""


class Phases:
    """One run's way through an incident. `carry_through` is the whole of it."""

    def __init__(
        self,
        case: Case,
        environment: Environment,
        request: Request,
        detect: Callable[[], Finding],
        ladder: Sequence[Rung],
    ) -> None:
        self.case, self.environment, self.request = case, environment, request
        self.detect, self.ladder = detect, ladder
        self.problems: list[str] = []
        self.left = ""

    def carry_through(self) -> Outcome:
        """Go through every phase and close the incident; a lost lease or ledger leaves it open, to be taken up.

        Raises:
            BaseException: the run was stopped. By a person: the incident is closed and people are told first.
        """
        try:
            ended = incidents.ending_of(self.case)  # a run before us died while it reported
            ending, reason, hint = ended or self._recover()
        except LeaseLost as error:
            return left_open(self.case, Ending.ALREADY_HANDLED, error)
        except UndoFailed as error:
            ending, reason, hint = Ending.UNDO_FAILED, error.message, error.hint
        except NotRecovered as error:
            ending, reason, hint = Ending.NOT_RECOVERED, error.message, error.hint
        except BackstopError as error:
            ending, reason, hint = self._stopped(), error.message, error.hint
        except Exception as error:
            log.exception("unexpected error in %s", self.case.incident_id)
            reason = f"unexpected {type(error).__name__}: {error}"
            ending, hint = self._stopped(), "This is a fault of Backstop or of the flow: see the run's log."
        except BaseException as error:
            if stopped_by_a_person(error):
                with suppress(BackstopError):
                    self._close(self._stopped(), "somebody stopped the run", "Start the flow again to go on.")
            raise  # else the machine is going down: the incident stays open and is taken up again
        try:
            return self._close(ending, redact(reason), redact(hint))
        except LeaseLost as error:
            return left_open(self.case, Ending.ALREADY_HANDLED, error)
        except RecoveryRefused as error:
            return left_open(self.case, self._stopped(), error, f"{ending.value}: {redact(reason)}")

    def _stopped(self) -> Ending:
        """An incident that stops short was refused if nothing was touched yet, else it is not recovered."""
        try:
            acted = self.case.begun or incidents.has_acted(self.case)
        except RecoveryRefused:
            acted = self.case.resumed  # the ledger is away: nobody can tell what an earlier run did
        return Ending.NOT_RECOVERED if acted else Ending.REFUSED

    def _recover(self) -> tuple[Ending, str, str]:
        finding, pinned = self._detected()
        must_be_broken = not (pinned or self.case.rehearsal or self.request.insist)
        if must_be_broken and finding.health.verdict is Verdict.PASS:
            return Ending.NOTHING_TO_DO, finding.summary, ""
        if must_be_broken and finding.health.verdict is Verdict.INCONCLUSIVE:
            raise RecoveryRefused(
                f"It could not be told whether anything is broken: {'; '.join(finding.health.reasons)}.",
                hint="Nothing was changed. Look at these checks by hand, or insist.",
            )
        if not self.case.rehearsal:
            _people.schedule_escalations(self.case, self.environment, finding)
        done = plans.rungs_at_their_end(self.case)
        for rung in self.ladder:
            if rung.name in done:
                continue
            state = plans.state_of(self.case, rung.name)
            try:
                plan = self._permitted(rung, finding, state)
            except NoWayBack as error:
                self._give_up_rung(rung, error)
                continue
            except StepFailed as error:
                self._give_up_rung(rung, error)
                continue
            if plan is None:
                return Ending.NOTHING_TO_DO, "the environment became healthy while the plan waited", ""
            if self.case.rehearsal:
                return Ending.REHEARSED, f"would {plan.title[0].lower()}{plan.title[1:]}", ""
            if self._attempt(rung, plan, finding, state or "pinned"):
                if rung.holds:
                    self.problems.append(f"{plan.title}: done and verified, and it stays so")
                    break
                return Ending.RECOVERED, f"{plan.title}; verified", self.left
        raise NotRecovered(
            "No way back was left: " + "; ".join(self.problems or ["the ladder is empty"]) + ".",
            hint="A person is needed. The report has everything that was seen and tried.",
        )

    def _detected(self) -> tuple[Finding, bool]:
        """The finding, and whether a plan is pinned already. A resumed incident does not look again."""
        kept = incidents.stored_finding(self.case) if self.case.resumed else None
        if kept and self.case.plan_id:
            self.case.record("resume", "goes on with the pinned plan")
            refuse_other_place(self.environment)
            return kept, True
        self.case.enter(Phase.DETECT)
        with within(DETECT_SECONDS, "detecting"):
            refuse_other_place(self.environment)
            if not self.case.rehearsal:
                _people.opened(self.case, self.environment)
            finding = self.detect()
        incidents.keep_finding(self.case, finding)
        return finding, False

    def _permitted(self, rung: Rung, finding: Finding, state: str | None) -> Plan | None:
        """The rung's plan, pinned and allowed; None when the environment became healthy while it waited."""
        for _ in range(MOST_DRIFTS):
            pinned = plans.pinned(self.case) if state else None
            plan = pinned or self._decided(rung, finding)
            if state and state != "pinned":
                return plan  # it was allowed before: acting has begun
            self.case.enter(Phase.GUARD)
            if self.case.rehearsal:
                needed = requirement_for(plan, finding, self.environment)
                alone = needed.policy is Policy.AUTOMATIC
                wait = "would begin at once" if alone else f"would need {needed.policy.value}"
                self.case.record("guard", f"{wait}: {needed.reason}")
                refuse_if_stopped(self.case)
                return plan
            try:
                seek_permission(self.case, plan, finding, self.environment, self.request, rung, self.detect)
                return plan
            except PlanDrifted:
                self.case.mark_plan("void", "what was observed has changed")
                state = None
                finding = self.detect()
                incidents.keep_finding(self.case, finding)
                if finding.health.verdict is Verdict.PASS and not self.request.insist:
                    return None
        raise RecoveryRefused(
            f"What was observed changed {MOST_DRIFTS} times while the plan waited for approval.",
            hint="Something else is changing this environment: settle that first.",
        )

    def _decided(self, rung: Rung, finding: Finding) -> Plan:
        self.case.enter(Phase.DECIDE, f"decide: {rung.name}")
        with within(DECIDE_SECONDS, "deciding"):
            plan = plans.predicted(self.case, rung.decide(finding))
        self.case.pin(plan)
        _people.plan_made(self.case, plan)
        return plan

    def _give_up_rung(self, rung: Rung, error: BackstopError) -> None:
        self.problems.append(f"{rung.name}: {error.message.rstrip('.')}")
        self.case.record("decision", f"{rung.name} cannot help: {error.message}", {"hint": error.hint})

    def _attempt(self, rung: Rung, plan: Plan, finding: Finding, state: str) -> bool:
        """Act and verify; on anything but a pass go back where that is better. True: recovered."""
        if state in ("pinned", "acting"):
            failure = self._act(rung, plan)
        else:
            failure = None if state == "verified" else "its undo was interrupted"
        if failure is None:
            verdict, failure = self._verified(rung, plan)
            if verdict is Verdict.PASS:
                self.case.mark_plan("verified")
                return True
        self.problems.append(f"{rung.name}: {failure}")
        worth, reason = worth_going_back(finding.health, self._health_now())
        if stopped := self._stop_lever():
            worth, state, reason = False, "stopped", stopped
        if worth or state == "undoing":
            self._go_back(rung, plan, reason)
        else:
            self.case.mark_plan("failed", f"{failure}; not undone: {reason}")
        return False

    def _act(self, rung: Rung, plan: Plan) -> str | None:
        """Take the snapshot and act; why it failed, or None."""
        self.case.enter(Phase.SNAPSHOT)
        with self.case.may_act():
            try:
                with within(rung.act_seconds, "acting"):
                    plans.keep_snapshot(self.case, lambda: rung.snapshot(plan))
                    self.case.enter(Phase.ACT, f"act: {plan.title}")
                    self.case.mark_plan("acting")
                    rung.act(plan)
            except LeaseLost:
                raise
            except BackstopError as error:
                return error.message
            except Exception as error:
                log.exception("unexpected error while acting in %s", self.case.incident_id)
                return f"unexpected {type(error).__name__}: {error}"
        return None

    def _verified(self, rung: Rung, plan: Plan) -> tuple[Verdict, str]:
        self.case.enter(Phase.VERIFY)
        try:
            with within(rung.verify_seconds, "verifying"):
                verification = rung.verify(plan)
        except StepFailed as error:
            return Verdict.INCONCLUSIVE, f"it could not be verified: {error.message}"
        self.case.keep_verification(verification)
        self.left = verification.left
        return verification.verdict, "; ".join(verification.reasons)

    def _health_now(self) -> Verification:
        try:
            with within(DETECT_SECONDS, "looking again"):
                return self.detect().health
        except StepFailed:
            return Verification()

    def _stop_lever(self) -> str:
        """Why nothing may act any more, going back included; empty while the stop lever is not pulled."""
        try:
            refuse_if_stopped(self.case)
        except RecoveryRefused as refused:
            return refused.message
        return ""

    def _go_back(self, rung: Rung, plan: Plan, why: str) -> None:
        """Undo, last step first, trying every step.

        Raises:
            UndoFailed: at least one step back failed: the environment is in neither state.
        """
        self.case.mark_plan("undoing", why)
        failed: list[str] = []
        with self.case.may_act(), within(UNDO_SECONDS, "undoing"):
            for step in reversed(rung.undo(plan, plans.kept_snapshot(self.case))):
                try:
                    effect = step()
                    self.case.record("undo", f"{effect.subject}: back to {effect.after or effect.detail}")
                except LeaseLost:
                    raise
                except Exception as error:  # noqa: BLE001 - every step back is tried
                    failed.append(str(error))
                    self.case.record("undo", f"a step back failed: {error}")
        if failed:
            raise UndoFailed(
                f"{rung.name} failed and {len(failed)} of its steps back failed too: {'; '.join(failed)}.",
                hint="The environment is in neither state. Follow the report's snapshot by hand.",
            )
        self.case.mark_plan("undone")

    def _close(self, ending: Ending, reason: str, hint: str) -> Outcome:
        """Write the ending, tell people, and only then give the incident and its lease up."""
        incidents.decide_ending(self.case, ending, reason, hint)
        self.case.enter(Phase.REPORT)
        _people.ended(self.case, self.environment, ending, reason, hint)
        incidents.close_case(self.case)
        report = _people.reported(self.case)
        return outcome_of(self.case, ending, reason, hint, report)
