"""Who must agree: the whole table, and what no combination of answers may do."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rules.approvals import Answer, Decision, Policy, Standing, required, same_person, stands
from rules.severity import Destructiveness, Severity, Tier

A, ONE, TWO = Policy.AUTOMATIC, Policy.ONE_APPROVER, Policy.TWO_APPROVERS

TABLE = {
    #                              dev  qa   stag prep prod
    Destructiveness.REVERSIBLE: (A, A, A, A, ONE),
    Destructiveness.DISRUPTIVE: (A, A, ONE, ONE, ONE),
    Destructiveness.DESTRUCTIVE: (ONE, ONE, ONE, TWO, TWO),
}
EVERY_ROW = [(d, tier, policy) for d, row in TABLE.items() for tier, policy in zip(Tier, row, strict=True)]


@pytest.mark.parametrize(("destructiveness", "tier", "policy"), EVERY_ROW)
@pytest.mark.parametrize("severity", Severity)
def test_the_table(severity: Severity, tier: Tier, destructiveness: Destructiveness, policy: Policy) -> None:
    """Row by row what a plan needs; only a severe, reversible repair of production goes ahead unasked."""
    urgent = severity in (Severity.CRITICAL, Severity.HIGH)
    if urgent and destructiveness is Destructiveness.REVERSIBLE and tier is Tier.PRODUCTION:
        policy = A

    needed = required(severity, tier, destructiveness)

    assert needed.policy is policy
    assert needed.reason


@pytest.mark.parametrize("waived", Policy)
@pytest.mark.parametrize(
    ("severity", "tier", "destructiveness"), list(itertools.product(Severity, Tier, Destructiveness))
)
def test_an_environment_waives_up_to_its_word(
    severity: Severity, tier: Tier, destructiveness: Destructiveness, waived: Policy
) -> None:
    """A waiver covers the policies up to it and says so; what destroys data is never waived."""
    plain = required(severity, tier, destructiveness)
    needed = required(severity, tier, destructiveness, automatic_up_to=waived)

    if destructiveness is Destructiveness.DESTRUCTIVE:
        assert needed == plain
        assert needed.policy is not A
    elif plain.policy.approvers <= waived.approvers:
        assert needed.policy is A
        assert plain.policy is A or "waives" in needed.reason
    else:
        assert needed == plain


def yes(name: str, comment: str = "") -> Answer:
    """An approval."""
    return Answer(decision=Decision.APPROVE, approver=name, comment=comment)


def no(name: str, comment: str = "") -> Answer:
    """A rejection."""
    return Answer(decision=Decision.REJECT, approver=name, comment=comment)


def broken_glass(name: str, reason: str) -> Answer:
    """A break-glass answer."""
    return Answer(decision=Decision.BREAK_GLASS, approver=name, comment=reason)


@pytest.mark.parametrize(
    ("policy", "answers", "requester", "standing", "reason"),
    [
        (A, [], "", Standing.APPROVED, "no approval is needed"),
        (ONE, [], "", Standing.WAITING, "1 of 1 approvals missing"),
        (ONE, [yes("Ada")], "", Standing.APPROVED, "approved by Ada"),
        (ONE, [yes("Ada")], "ada", Standing.APPROVED, "approved by Ada"),
        (TWO, [yes("Ada")], "", Standing.WAITING, "1 of 2 approvals missing"),
        (TWO, [yes("Ada"), yes("ADA")], "", Standing.WAITING, "1 of 2 approvals missing"),
        (TWO, [yes("Ada"), yes("Ben")], "", Standing.APPROVED, "approved by Ada and Ben"),
        (TWO, [yes("Ada"), yes("Ben")], "BEN", Standing.WAITING, "1 of 2 approvals missing"),
        (TWO, [yes("Ada"), yes("Ben"), yes("Cy")], "Ben", Standing.APPROVED, "approved by Ada and Cy"),
        (TWO, [yes("Ada"), yes("Ben"), no("Cy", "wait")], "", Standing.REJECTED, "rejected by Cy: wait"),
        (ONE, [no("Cy")], "", Standing.REJECTED, "rejected by Cy"),
        (
            TWO,
            [broken_glass("Ada", "money is lost")],
            "",
            Standing.APPROVED,
            "break-glass by Ada: money is lost",
        ),
        (TWO, [broken_glass("Ada", "urgent")], "Ada", Standing.APPROVED, "break-glass by Ada: urgent"),
        (TWO, [broken_glass("Ada", "  ")], "", Standing.WAITING, "2 of 2 approvals missing"),
        (ONE, [broken_glass("Ada", "urgent"), no("Ben")], "", Standing.REJECTED, "rejected by Ben"),
        (A, [no("Ben")], "", Standing.REJECTED, "rejected by Ben"),
    ],
)
def test_where_a_plan_stands(
    policy: Policy, answers: list[Answer], requester: str, standing: Standing, reason: str
) -> None:
    """The requester is no second person, one no outweighs every yes, break-glass needs a reason."""
    assert stands(policy, answers, requester) == (standing, reason)


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
answers = st.builds(
    Answer,
    decision=st.sampled_from([Decision.APPROVE, Decision.APPROVE, Decision.REJECT]),
    approver=st.sampled_from(["Ada", "ada", " Ada", "Ben", "BEN", "Cy"]) | names,
)


@given(st.sampled_from(Policy), st.lists(answers, max_size=6), st.sampled_from(["", "Ada", "ben"]))
def test_never_approved_by_too_few(policy: Policy, given_: list[Answer], requester: str) -> None:
    """Without break-glass, an approved plan has as many distinct people behind it as the policy says, and no no."""
    standing, _ = stands(policy, given_, requester)

    people = {a.approver.strip().casefold() for a in given_ if a.decision is Decision.APPROVE}
    if policy is TWO:
        people.discard(requester.casefold())
    if any(a.decision is Decision.REJECT for a in given_):
        assert standing is Standing.REJECTED
    elif standing is Standing.APPROVED:
        assert len(people) >= policy.approvers


@given(names, st.sampled_from(["upper", "spaces", "wide", "invisible", "decomposed"]))
def test_one_person_in_two_spellings_is_one(name: str, how: str) -> None:
    """Case, spaces, full-width letters, invisible characters and marks do not make a second person."""
    other = {
        "upper": name.swapcase() if name.swapcase().casefold() == name.casefold() else name,
        "spaces": f"  {name} ",
        "wide": "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in name),
        "invisible": f"{name}\N{ZERO WIDTH SPACE}",
        "decomposed": unicodedata.normalize("NFD", name),
    }[how]

    assert same_person(name, other)


def test_different_people_are_different() -> None:
    """Names that read differently are two people."""
    assert not same_person("Ada", "Adam")
    assert not same_person("Ada L", "Ada M")


def test_an_answer_has_a_name() -> None:
    """Nobody is not a person."""
    for name in ("", "   ", "\n"):
        with pytest.raises(ValidationError):
            yes(name)
    assert yes("  Ada ").approver == "Ada"
