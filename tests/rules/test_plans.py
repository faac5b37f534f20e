"""A plan's digest changes exactly when what is decided changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rules.plans import Change, Plan
from rules.severity import Destructiveness

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
a_change = st.builds(Change, subject=words, before=words, after=words, kind=words)
a_plan = st.builds(
    Plan,
    scenario=words,
    environment=words,
    rung=words,
    title=words,
    target=words,
    changes=st.lists(a_change, max_size=3).map(tuple),
    expected=st.lists(words, max_size=3).map(tuple),
    destructiveness=st.sampled_from(Destructiveness),
    facts=st.dictionaries(words, words, max_size=3),
    reasons=st.lists(words, max_size=3).map(tuple),
)
WORDING = {"title", "reasons", "prediction"}


@given(a_plan, a_plan)
def test_two_plans_share_a_digest_only_if_they_decide_the_same(one: Plan, other: Plan) -> None:
    """Equal digests mean equal decisions, and the other way round."""
    same = one.model_dump(exclude=WORDING) == other.model_dump(exclude=WORDING)

    assert (one.digest == other.digest) is same


@given(a_plan, st.data())
def test_changing_anything_decided_changes_the_digest(plan: Plan, data: st.DataObject) -> None:
    """No field of the decision is outside of the digest."""
    field = data.draw(st.sampled_from(sorted(set(Plan.model_fields) - WORDING)))
    other = data.draw(a_plan.map(lambda drawn: getattr(drawn, field)))
    changed = plan.model_copy(update={field: other})

    assert (changed.digest == plan.digest) is (getattr(plan, field) == other)


@given(a_plan, words, st.lists(words).map(tuple))
def test_wording_does_not_matter(plan: Plan, title: str, reasons: tuple[str, ...]) -> None:
    """The same decision, told differently, stays approved."""
    assert plan.model_copy(update={"title": title, "reasons": reasons}).digest == plan.digest


@given(a_plan)
def test_a_plan_read_back_has_the_same_digest(plan: Plan) -> None:
    """What the ledger gives back is the plan that was pinned: an approval still fits."""
    assert Plan.model_validate(plan.model_dump(mode="json")).digest == plan.digest
    assert Plan.model_validate_json(plan.model_dump_json()).digest == plan.digest


@given(a_plan)
def test_the_order_of_facts_does_not_matter(plan: Plan) -> None:
    """Facts are looked up by name: the order in which they were found decides nothing."""
    turned = dict(reversed(plan.facts.items()))

    assert plan.model_copy(update={"facts": turned}).digest == plan.digest


def test_the_order_of_changes_does() -> None:
    """Changes are made one after the other: another order is another plan."""
    first = Change(subject="a", before="1", after="2")
    second = Change(subject="b", before="1", after="2")
    plan = Plan(scenario="s", environment="e", rung="r", title="t", changes=(first, second))

    assert plan.model_copy(update={"changes": (second, first)}).digest != plan.digest


def test_a_misspelt_key_is_an_error() -> None:
    """What nobody would read is not silently dropped from a decision."""
    with pytest.raises(ValidationError, match="targt"):
        Plan.model_validate({"scenario": "s", "environment": "e", "rung": "r", "title": "t", "targt": "old"})


def test_a_plan_cannot_be_changed() -> None:
    """A pinned plan is what it is."""
    plan = Plan(scenario="s", environment="e", rung="r", title="t")
    with pytest.raises(ValidationError):
        plan.target = "another"  # type: ignore[misc]  # what the test refuses
