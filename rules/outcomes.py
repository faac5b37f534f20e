"""How things end: verdicts of single checks, of a verification, and of a whole incident."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from rules.plans import Plan
from rules.severity import Severity, Situation
from rules.values import Frozen


class Phase(StrEnum):
    """The phases of an incident, in their order."""

    DETECT = "detect"
    DECIDE = "decide"
    GUARD = "guard"
    SNAPSHOT = "snapshot"
    ACT = "act"
    VERIFY = "verify"
    REPORT = "report"


class Ending(StrEnum):
    """How an incident, or one run for it, ended."""

    RECOVERED = "recovered"
    NOTHING_TO_DO = "nothing to do"
    REHEARSED = "rehearsed"
    REFUSED = "refused"
    ALREADY_HANDLED = "already handled"
    NOT_RECOVERED = "not recovered"
    UNDO_FAILED = "undo failed"


class Verdict(StrEnum):
    """The three answers of a check. No evidence is neither pass nor fail."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Check(Frozen):
    """One observed fact beside what was wanted."""

    name: str
    verdict: Verdict
    reason: str
    wanted: str = ""
    seen: str = ""
    left: str = ""
    """What it leaves to a person, though it passes: an imperative sentence."""


class Verification(Frozen):
    """Several checks, judged together."""

    checks: tuple[Check, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Fail if any check failed; inconclusive if any was, or if nothing was checked; else pass."""
        verdicts = {check.verdict for check in self.checks}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        if not verdicts or Verdict.INCONCLUSIVE in verdicts:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the verdict is not pass, one sentence a check; empty when it is."""
        return tuple(f"{c.name}: {c.reason}" for c in self.checks if c.verdict is not Verdict.PASS)

    @property
    def left(self) -> str:
        """What is left to a person though the verdict is pass; empty: nothing."""
        return " ".join(check.left for check in self.checks if check.left)

    @classmethod
    def of(cls, checks: Iterable[Check]) -> Verification:
        """Bundle checks, in the order they were made."""
        return cls(checks=tuple(checks))


class Finding(Frozen):
    """What detection saw: the checks, how bad it is, and one sentence for the person on call."""

    health: Verification
    severity: Severity
    summary: str
    situation: Situation | None = None
    """Where people have to know at once: a rollback failed, data is corrupt. None: as the environment's tier says."""


class Effect(Frozen):
    """What an action did to one subject. `changed` is false when the world was already as wanted."""

    subject: str
    changed: bool
    before: str = ""
    after: str = ""
    detail: str = ""


class Outcome(Frozen):
    """How one run ended: what `recover` returns, what the CLI prints and turns into an exit code."""

    incident: str
    scenario: str
    environment: str
    ending: Ending
    reason: str
    hint: str = ""
    plan: Plan | None = None
    verification: Verification | None = None
    seconds: dict[Phase, float] = {}
    report: str = ""
    """Path of the HTML report, or empty."""


EXIT_CODES: dict[Ending, int] = {
    Ending.RECOVERED: 0,
    Ending.NOTHING_TO_DO: 0,
    Ending.REHEARSED: 0,
    Ending.REFUSED: 3,
    Ending.NOT_RECOVERED: 4,
    Ending.UNDO_FAILED: 5,
    Ending.ALREADY_HANDLED: 6,
}
"""What `backstop recover` exits with. 1 is an unexpected error, 2 a wrong command line."""
