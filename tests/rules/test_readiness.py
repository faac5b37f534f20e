"""What is not ready is never shown as ready, and neither is what nobody knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows._catalogue import scenarios
from rules.approvals import Policy
from rules.readiness import (
    BACKUP_TAKES,
    CHANGES,
    EVERYWHERE,
    EXPIRY_AHEAD,
    NEEDS,
    NO_SPACE,
    Seen,
    State,
    judge,
    judge_approvers,
    judge_backups,
    judge_channels,
    judge_expiry,
    judge_permissions,
    judge_space,
    scenarios_of,
    wanted,
)
from rules.retention import Proof
from rules.severity import Tier
from rules.stack_restore_points import Candidate
from tests.architecture.source_tree import ROOT
from tests.stored_backups import made_at

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
OBJECTIVE = 300.0


def test_every_scenario_says_what_it_needs() -> None:
    """A new scenario without a line here would never be looked at."""
    assert NEEDS.keys() == {scenario.name for scenario in scenarios()}


def test_every_permission_is_one_that_is_asked_for() -> None:
    """What is simulated is in the policy that people are told to grant."""
    page = (ROOT / "docs/permissions.md").read_text()

    assert [action for action in CHANGES["lambda"] if f"`{action}`" not in page] == []


@given(st.sampled_from(sorted(NEEDS)), st.data())
def test_one_fault_is_enough(scenario: str, data: st.DataObject) -> None:
    """Ready is only what is ready in everything it needs; a precondition nobody looked at counts as unknown."""
    needed = sorted(EVERYWHERE | NEEDS[scenario].preconditions)
    states = {name: data.draw(st.sampled_from([*State, None])) for name in needed}
    seen = {name: Seen(state=state, said="so") for name, state in states.items() if state}

    found = judge("prod", scenario, seen)

    if State.NOT_READY in states.values():
        assert found.state is State.NOT_READY
    elif set(states.values()) - {State.READY}:
        assert found.state is State.UNKNOWN
    else:
        assert (found.state, found.reasons) == (State.READY, ())
    assert len(found.reasons) == sum(state is not State.READY for state in states.values())


def test_scenarios_by_platform() -> None:
    """Without a repository nothing about workflows can happen; each platform has its own."""
    assert "stuck-workflow" in scenarios_of("lambda", with_repository=True)
    assert "stuck-workflow" not in scenarios_of("lambda", with_repository=False)
    assert "repository" not in wanted(scenarios_of("lambda", with_repository=False))
    assert wanted(["emergency-stop"]) == EVERYWHERE | {"engine"}


def backup(age: timedelta, proof: Proof) -> Candidate:
    """A backup of that age."""
    made = made_at(NOON - age)
    return Candidate(backup=made.id, taken_at=made.began_at, proof=proof, key_counts={})


NEW, OLD = timedelta(seconds=OBJECTIVE) + BACKUP_TAKES, timedelta(days=1)


@pytest.mark.parametrize(
    ("backups", "state"),
    [
        ([], State.NOT_READY),
        ([backup(NEW, Proof.PROVEN)], State.READY),
        ([backup(NEW + SECOND, Proof.PROVEN)], State.NOT_READY),
        ([backup(NEW, Proof.UNTESTED)], State.NOT_READY),
        ([backup(NEW, Proof.UNTESTED), backup(OLD, Proof.PROVEN)], State.READY),
        ([backup(NEW, Proof.FAILED), backup(OLD, Proof.PROVEN)], State.NOT_READY),
    ],
)
def test_backups(backups: list[Candidate], state: State) -> None:
    """Something is proven, the newest is no known failure, and it is no older than was promised."""
    assert judge_backups(backups, OBJECTIVE, NOON).state is state


@pytest.mark.parametrize(
    ("answers", "tier", "state"),
    [
        ({}, Tier.PRODUCTION, State.NOT_READY),
        ({}, Tier.PREPROD, State.NOT_READY),
        ({}, Tier.DEVELOPMENT, State.READY),
        ({"a": ""}, Tier.PRODUCTION, State.READY),
        ({"a": "", "b": "does not answer"}, Tier.DEVELOPMENT, State.NOT_READY),
        ({"a": "", "b": None}, Tier.PRODUCTION, State.UNKNOWN),
    ],
)
def test_channels(answers: dict[str, str | None], tier: Tier, state: State) -> None:
    """Each has to answer; where it matters, there has to be one."""
    assert judge_channels(answers, tier).state is state


def test_the_other_judgements_at_their_edges() -> None:
    """Room, credentials, permissions and approvers, just enough and just not."""
    assert judge_space(NO_SPACE).state is State.READY
    assert judge_space(NO_SPACE - 1).state is State.NOT_READY
    assert judge_expiry("me", None, NOON).state is State.READY
    assert judge_expiry("me", NOON + EXPIRY_AHEAD, NOON).state is State.READY
    assert judge_expiry("me", NOON + EXPIRY_AHEAD - SECOND, NOON).state is State.NOT_READY
    assert judge_permissions({"a:b": True, "a:c": True}).state is State.READY
    assert "a:c" in judge_permissions({"a:b": True, "a:c": False}).said
    assert judge_permissions({"a:c": False}).state is State.NOT_READY
    assert judge_approvers(0, None).state is State.NOT_READY
    assert judge_approvers(0, Policy.ONE_APPROVER).state is State.NOT_READY
    assert judge_approvers(0, Policy.TWO_APPROVERS).state is State.READY
    assert judge_approvers(1, None).state is State.READY
