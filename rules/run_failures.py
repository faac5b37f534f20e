"""A test run that failed: how it ended, whether it left anything outside its own queues, whether another try may help.

Runbook source: 000, scenario 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from rules.outcomes import Check, Verdict
from rules.test_failures import ADVICE, Classification
from rules.values import Frozen

ARTIFACTS = ("report.md", "trace.html", "spans.jsonl")
"""What the runbook looks for in a run's folder."""


class RunEnd(Frozen):
    """How a run ended. No exit code: it does not tell; `missing` are artifacts that it did not leave."""

    run: str
    exit_code: int | None
    missing: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """It says so itself, and left all that it should."""
        return self.exit_code == 0 and not self.missing

    @property
    def told(self) -> str:
        """In a few words."""
        if self.exit_code is None:
            return "it does not tell how it ended"
        lacks = f" and left no {', '.join(self.missing)}" if self.missing else ""
        return f"it ended with exit code {self.exit_code}{lacks}"


def judge_end(
    end: RunEnd, found: Classification | None = None, *, alive: bool = False, later: RunEnd | None = None
) -> Check:
    """Whether a run passed, or did when it was run again (`later`); if not, why. `found`: what its output shows."""
    name, wanted = f"run {end.run}", "exit code 0 and all artifacts"
    if alive:
        return Check(name=name, verdict=Verdict.PASS, reason="it still runs", wanted=wanted)
    if end.passed:
        return Check(name=name, verdict=Verdict.PASS, reason="it passed", wanted=wanted)
    if later is not None:
        told = f"it passed when it was run again as {later.run}"
        return Check(name=name, verdict=Verdict.PASS, reason=told, wanted=wanted)
    return Check(name=name, verdict=Verdict.FAIL, reason=_why(end, found), wanted=wanted)


def judge_effects(run: str, elsewhere: Sequence[str]) -> Check:
    """Whether the run touched anything but its own queues; if not, nothing needs rolling back."""
    name = "side effects"
    if elsewhere:
        told = f"{run} published to {', '.join(elsewhere)}: that is wrong-queue-publish"
        return Check(name=name, verdict=Verdict.FAIL, reason=told, wanted="none")
    told = "it published to its own queues alone: nothing needs rolling back"
    return Check(name=name, verdict=Verdict.PASS, reason=told)


def worth_another(end: RunEnd, found: Classification) -> tuple[bool, str]:
    """Whether to run it again after a try, and why."""
    if end.passed:
        return True, "it passes when it says more"
    if end.exit_code is None:
        return False, end.told
    if found.curable_by_running_again:
        return True, f"{found.kind.value} may be gone the next time"
    return False, ADVICE[found.kind]


def _why(end: RunEnd, found: Classification | None) -> str:
    if found is None or not found.failures:
        return end.told
    first = found.failures[0]
    shown = f" («{first.evidence}»)" if first.evidence else ""
    return f"{end.told}: {found.kind.value}, {first.reason}{shown}. {ADVICE[found.kind]}"
