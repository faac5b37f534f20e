"""Whether going back to the state before an attempt is worth it.

After a failed rollback of a broken release there is nothing to go back to: the state before was broken too.
"""

from __future__ import annotations

from rules.outcomes import Verdict


def worth_going_back(before: Verdict, now: Verdict) -> tuple[bool, str]:
    """Whether to undo, given the environment's health before acting and after the attempt, with the reason."""
    if before is Verdict.FAIL:
        return False, "the state before was broken too: there is nothing better to go back to"
    if now is Verdict.PASS:
        return False, "the environment is healthy now"
    if now is Verdict.INCONCLUSIVE and before is not Verdict.PASS:
        return (
            False,
            "neither the state before nor the state now could be judged: going back would be a guess",
        )
    return True, f"the state before was better: {before.value} then, {now.value} now"
