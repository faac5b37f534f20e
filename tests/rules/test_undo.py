"""Whether going back is worth it: only when the attempt broke something and mended nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.outcomes import Check, Verdict, Verification
from rules.undo import worth_going_back

P, F, N = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def seen(**checks: Verdict) -> Verification:
    """A verification with these checks."""
    return Verification.of(Check(name=name, verdict=verdict, reason="") for name, verdict in checks.items())


@pytest.mark.parametrize(
    ("before", "now", "worth", "reason"),
    [
        (seen(a=F), seen(a=P), False, "everything that was looked at passes now"),
        (seen(a=P), seen(a=F), True, "the attempt broke a and mended nothing"),
        (seen(a=P, b=P), seen(a=F, b=F), True, "the attempt broke a, b and mended nothing"),
        (seen(a=F, b=P), seen(a=F, b=F), True, "the attempt broke b and mended nothing"),
        (seen(a=F, b=P), seen(a=P, b=F), False, "it broke b but mended a: neither state is better"),
        (seen(a=F), seen(a=F), False, "the state before was no better: there is nothing to go back to"),
        (seen(a=F), seen(a=N), False, "the state now cannot be judged: going back would be a guess"),
        (seen(a=P), seen(a=N), False, "the state now cannot be judged: going back would be a guess"),
        (seen(a=P, b=P), seen(a=N, b=F), True, "the attempt broke b and mended nothing"),
        (seen(a=N), seen(a=F), True, "the attempt broke a and mended nothing"),
        (seen(), seen(), False, "the state now cannot be judged: going back would be a guess"),
        (seen(a=F), seen(), False, "the state now cannot be judged: going back would be a guess"),
    ],
)
def test_the_rule(before: Verification, now: Verification, worth: bool, reason: str) -> None:
    """Row by row, with the reason that people read."""
    assert worth_going_back(before, now) == (worth, reason)


states = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(Verdict)).map(lambda checks: seen(**checks))


@given(states, states)
def test_never_back_into_what_was_broken_as_much(before: Verification, now: Verification) -> None:
    """Going back is never advised out of health, nor to a state in which anything fails that does not fail now."""
    worth, reason = worth_going_back(before, now)

    assert reason
    if worth:
        failing = {check.name for check in before.checks if check.verdict is F}
        failing_now = {check.name for check in now.checks if check.verdict is F}
        assert failing < failing_now
