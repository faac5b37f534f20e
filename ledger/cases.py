"""A case: one run's hold on one open incident. Everything it writes is fenced by its lease."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, insert, update
from sqlalchemy.orm import Session

from ledger import approvals, leases, levers, timeline
from ledger.database import Ledger
from ledger.models import IncidentRow, PlanRow, StepRow
from ledger.tables import table_of
from rules.errors import LeaseLost, RecoveryRefused, StepFailed
from rules.outcomes import Effect, Phase, Verification
from rules.plans import Plan
from rules.redaction import redact

current_case: ContextVar[Case | None] = ContextVar("current_case", default=None)
"""The case the running code works for; the frame sets it, actions need it."""

_STEPS = table_of(StepRow)
_INTEND = insert(_STEPS).returning(_STEPS.c.id)
_CONCLUDE = (
    update(_STEPS)
    .where(_STEPS.c.id == bindparam("step"))
    .values({name: bindparam(f"new_{name}") for name in ("result_at", "result", "effect", "error")})
    .returning(_STEPS.c.action, _STEPS.c.subject)
)
_permit: ContextVar[object | None] = ContextVar("permit", default=None)
"""The block of `may_act` that the running code belongs to."""


def now() -> datetime:
    """The ledger's clock: UTC."""
    return datetime.now(UTC)


def _elapsed() -> float:
    """Seconds that nobody can set; on Linux they count on while a laptop sleeps, as leases do."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


@dataclass(slots=True)
class Case:
    """One run's hold on an incident. `fence` is 0 for a rehearsal, which holds nothing and may not act."""

    ledger: Ledger
    incident_id: str
    scenario: str
    environment: str
    fence: int
    lease_seconds: float
    resumed: bool = False
    rehearsal: bool = False
    phase: Phase = Phase.DETECT
    acting: bool = False
    begun: bool = False
    """Whether this run has begun any action: true before its effect, and known without the ledger."""
    plan_id: int | None = None
    lost: threading.Event = field(default_factory=threading.Event)
    _safe_until: float = 0.0
    _permitted: object | None = None

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[Session]:
        """A fenced transaction: it commits only while the lease is ours.

        Raises:
            LeaseLost: another run took over.
        """
        with self.ledger.session(f"{self.phase.value}: {what}") as session:
            started = _elapsed()
            self._prove(session)
            yield session
        self._safe_until = started + self.lease_seconds

    def _prove(self, session: Session) -> None:
        if self.rehearsal:
            return
        if self.lost.is_set():
            raise LeaseLost(f"The lease of {self.environment} was lost.", hint="Another run has taken over.")
        leases.check_and_renew(session, self.environment, self.fence, now(), self.lease_seconds)

    def record(self, kind: str, text: str, data: dict[str, Any] | None = None) -> None:
        """Write one timeline entry in the current phase."""
        with self.writing(f"{kind}") as session:
            self.append(session, kind, text, data)

    def append(
        self,
        session: Session,
        kind: str,
        text: str,
        data: dict[str, Any] | None = None,
        at: datetime | None = None,
    ) -> None:
        """The same within a transaction of the caller's, at another moment than now if one is given."""
        timeline.append(
            session,
            self.incident_id,
            at=at or now(),
            phase=self.phase,
            kind=kind,
            text=text,
            data=data,
            fence=self.fence,
        )

    def enter(self, phase: Phase, text: str = "") -> None:
        """Move to a phase and write it down."""
        self.phase = phase
        with self.writing(f"enter {phase.value}") as session:
            self.incident(session).phase = phase.value
            self.append(session, "phase", text or phase.value)

    def incident(self, session: Session) -> IncidentRow:
        """This case's incident row."""
        return session.get_one(IncidentRow, self.incident_id)

    def pin(self, plan: Plan) -> None:
        """Pin a plan: from here on a resumed run acts on it and decides nothing anew."""
        with self.writing("pin the plan") as session:
            row = PlanRow(
                incident_id=self.incident_id,
                rung=plan.rung,
                digest=plan.digest,
                body=redact(plan.model_dump(mode="json")),
                pinned_at=now(),
            )
            session.add(row)
            session.flush()
            self.incident(session).plan_id = self.plan_id = row.id
            self.append(
                session,
                "decision",
                plan.title,
                plan.model_dump(mode="json", include={"rung", "reasons", "prediction"})
                | {"digest": plan.digest},
            )

    def mark_plan(self, state: str, reason: str = "") -> None:
        """Say what became of the pinned plan: acting, verified, failed, undone or void."""
        with self.writing(f"plan is {state}") as session:
            row = session.get_one(PlanRow, self.plan_id)
            row.state = state
            if state == "acting":
                row.acting_at = row.acting_at or now()
                approvals.use(session, self.incident_id, row.digest, now())
            else:
                row.ended_at = now()
            self.append(session, "plan", f"{row.rung}: {state}" + (f" ({reason})" if reason else ""))

    def keep_verification(self, verification: Verification) -> None:
        """Write the checks of a verification."""
        with self.writing("verification") as session:
            self.incident(session).verification = redact(verification.model_dump(mode="json"))
            for check in verification.checks:
                self.append(
                    session,
                    "check",
                    f"{check.name}: {check.verdict.value}. {check.reason}",
                    check.model_dump(mode="json"),
                )

    def intend(self, action: str, subject: str, attempt: int) -> int:
        """Write that an action is about to act, and return the journal entry's id.

        Raises:
            RecoveryRefused: the case may not act now: a rehearsal, or outside acting and undoing.
        StepFailed: somebody pulled the stop lever.
            LeaseLost: another run took over.
        """
        if self.rehearsal or not self.acting or _permit.get() is not self._permitted:
            raise RecoveryRefused(
                f"{action} on {subject} was called while the incident may not act.",
                hint="This is a fault of the flow: only a rung's act and undo may call actions.",
            )
        while True:
            with self.writing(f"{action} {subject}: intent") as session:
                self._refuse_if_stopped(session)
                step = {
                    "incident_id": self.incident_id,
                    "plan_id": self.plan_id,
                    "fence": self.fence,
                    "phase": self.phase.value,
                    "action": action,
                    "subject": redact(subject),
                    "attempt": attempt,
                    "intent_at": now(),
                    "error": "",
                }
                number: int = session.execute(_INTEND, step).scalar_one()
            self.begun = True
            if _elapsed() < self._safe_until:
                return number
            # We were stopped for longer than the lease lives: whoever waited may have taken over since.

    def _refuse_if_stopped(self, session: Session) -> None:
        lever = levers.pulled(session, self.environment)
        if lever:
            raise StepFailed(
                f"The {lever.told}: {lever.reason or 'no reason given'}.",
                hint="`backstop stop-lever off` lets flows act again.",
            )

    def conclude(self, step: int, effect: Effect | None, error: str = "") -> None:
        """Write what an action did, or why it failed."""
        with self.writing("result") as session:
            if effect is None:
                result, kept, told = "failed", None, f". {error}"
            else:
                result, kept = ("changed" if effect.changed else "unchanged"), effect.model_dump(mode="json")
                moved = bool(effect.changed and effect.after)
                said = f"{effect.before} → {effect.after}" if moved else effect.detail or effect.after
                told = f", {said}" if said else ""
            new = {"result_at": now(), "result": result, "effect": redact(kept), "error": redact(error)}
            named = {f"new_{name}": value for name, value in new.items()}
            row = session.execute(_CONCLUDE, {"step": step, **named}).one()
            self.append(session, "step", f"{row.action} {row.subject}: {result}{told}")

    @contextlib.contextmanager
    def may_act(self) -> Iterator[None]:
        """Allow actions until the block ends, to this block only.

        What an earlier block left running (a call that hung until its time was over) may not act in a later
        one, when the undo has begun.
        """
        self.acting, self._permitted = True, object()
        token = _permit.set(self._permitted)
        try:
            yield
        finally:
            self.acting, self._permitted = False, None
            _permit.reset(token)

    @contextlib.contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Renew the lease in the background until the block ends; sets `lost` when it was taken over."""
        if self.rehearsal:
            yield
            return
        stop = threading.Event()

        def renew() -> None:
            while not stop.wait(self.lease_seconds / 3):
                try:
                    with self.ledger.session() as session:
                        leases.check_and_renew(
                            session, self.environment, self.fence, now(), self.lease_seconds
                        )
                except LeaseLost:
                    self.lost.set()
                    return
                except RecoveryRefused:
                    continue  # the ledger is away; the next write of the case itself will say so

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=5)
