"""Verdicts, endings and what a command exits with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.outcomes import EXIT_CODES, Check, Ending, Outcome, Phase, Verdict, Verification

verdicts = st.lists(st.sampled_from(Verdict), max_size=6)


def judged(found: list[Verdict]) -> Verification:
    """A verification with one check for each verdict."""
    return Verification.of(
        Check(name=f"check {n}", verdict=verdict, reason=f"because {n}") for n, verdict in enumerate(found)
    )


@given(verdicts)
def test_the_worst_verdict_decides(found: list[Verdict]) -> None:
    """One failure fails; without one, a doubt or nothing at all is inconclusive; only all passes pass."""
    verdict = judged(found).verdict

    assert (verdict is Verdict.FAIL) is (Verdict.FAIL in found)
    assert (verdict is Verdict.PASS) is (bool(found) and set(found) == {Verdict.PASS})


@given(verdicts, verdicts)
def test_more_checks_never_make_it_better(found: list[Verdict], more: list[Verdict]) -> None:
    """Adding a check to a verification can only lower its verdict, unless nothing had been checked."""
    order = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS]
    if found:
        assert order.index(judged(found + more).verdict) <= order.index(judged(found).verdict)


@given(verdicts)
def test_the_order_of_checks_does_not_matter(found: list[Verdict]) -> None:
    """The verdict is the same whichever check was made first."""
    assert judged(found).verdict is judged(found[::-1]).verdict


@given(verdicts)
def test_whatever_does_not_pass_says_why(found: list[Verdict]) -> None:
    """There is one reason for each check that did not pass, and none for those that did."""
    reasons = judged(found).reasons

    assert len(reasons) == sum(verdict is not Verdict.PASS for verdict in found)
    assert all(": because " in reason for reason in reasons)


def test_no_evidence_is_no_health() -> None:
    """A verification without checks proves nothing."""
    assert Verification().verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("ending", Ending)
def test_every_ending_has_an_exit_code(ending: Ending) -> None:
    """A script can tell every ending; 1 and 2 stay free for crashes and wrong command lines."""
    assert EXIT_CODES[ending] in (0, 3, 4, 5, 6)


def test_exit_codes_are_the_documented_ones() -> None:
    """Nothing to repair is success; what went wrong has a code of its own."""
    good = {ending for ending, code in EXIT_CODES.items() if code == 0}

    assert good == {Ending.RECOVERED, Ending.NOTHING_TO_DO, Ending.REHEARSED}
    assert len({code for code in EXIT_CODES.values() if code}) == len(EXIT_CODES) - len(good)


def test_the_phases_are_in_the_order_of_an_incident() -> None:
    """Reports and the architecture tests rely on this order."""
    assert [phase.value for phase in Phase] == [
        "detect", "decide", "guard", "snapshot", "act", "verify", "report",
    ]  # fmt: skip


def test_an_outcome_survives_its_journey() -> None:
    """An outcome printed as JSON reads back equal."""
    outcome = Outcome(
        incident="inc-1",
        scenario="canary-failure",
        environment="prod",
        ending=Ending.RECOVERED,
        reason="back on the last good release",
        verification=judged([Verdict.PASS]),
        seconds={Phase.ACT: 1.5},
    )

    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome
