"""Whether going back to the state before an attempt is worth it.

After a failed rollback of a broken release there is nothing to go back to: the state before was broken too.
"""

from __future__ import annotations

from rules.outcomes import Verdict, Verification


def worth_going_back(before: Verification, now: Verification) -> tuple[bool, str]:
    """Whether to undo, given the environment's health before acting and after the attempt, with the reason.

    Going back is worth it only when the attempt broke something and mended nothing.
    """
    failed_before, fail_now = _failing(before), _failing(now)
    broken, mended = sorted(fail_now - failed_before), sorted(failed_before - fail_now)
    if now.verdict is Verdict.PASS:
        return False, "everything that was looked at passes now"
    if broken and not mended:
        return True, f"the attempt broke {', '.join(broken)} and mended nothing"
    if broken:
        return False, f"it broke {', '.join(broken)} but mended {', '.join(mended)}: neither state is better"
    if now.verdict is Verdict.INCONCLUSIVE:
        return False, "the state now cannot be judged: going back would be a guess"
    return False, "the state before was no better: there is nothing to go back to"


def _failing(verification: Verification) -> set[str]:
    return {check.name for check in verification.checks if check.verdict is Verdict.FAIL}
