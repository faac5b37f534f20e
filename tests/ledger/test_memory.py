"""Releases, plans and levers: what later decisions are made from."""

from __future__ import annotations

from ledger import levers, plans, releases
from ledger.cases import Case
from ledger.database import Ledger
from rules.outcomes import Verdict
from tests.ledger.samples import MINUTE, NOON, plan


def test_a_release_is_not_good_by_being_deployed(ledger: Ledger) -> None:
    """A recorded deployment has no verdict; a verification gives it one, and adds to its evidence."""
    with ledger.session() as session:
        row = releases.record_deployment(session, "prod", "abc123", NOON, by="pipeline", evidence={"a": "1"})
        assert (row.verdict, row.verified_at) == (None, None)
        releases.record_verdict(session, row, Verdict.PASS, NOON + MINUTE, {"b": "2"})

    with ledger.reading() as session:
        kept = releases.latest(session, "prod", "abc123")
        assert kept
        assert (kept.verdict, kept.verified_at, kept.deployed_at) == ("pass", NOON + MINUTE, NOON)
        assert kept.evidence == {"a": "1", "b": "2"}


def test_history_is_newest_first_and_of_one_environment(ledger: Ledger) -> None:
    """Every deployment is kept, repeated ones too; another environment's are not mixed in."""
    with ledger.session() as session:
        for minutes, release in ((0, "one"), (2, "two"), (1, "late"), (3, "one"), (3, "same moment")):
            releases.record_deployment(session, "prod", release, NOON + minutes * MINUTE)
        releases.record_deployment(session, "preprod", "three", NOON)

    with ledger.reading() as session:
        told = [row.release for row in releases.history(session, "prod")]
        assert told == ["same moment", "one", "two", "late", "one"]
        newest = releases.latest(session, "prod", "one")
        assert newest
        assert newest.deployed_at == NOON + 3 * MINUTE
        assert releases.latest(session, "prod", "three") is None


def test_a_lever_stops_its_scope_until_it_is_let_go(ledger: Ledger) -> None:
    """One environment's lever stops that one, everywhere's all; pulling twice is one lever."""
    with ledger.session() as session:
        levers.pull(session, "prod", "jane", "network", NOON)
        levers.pull(session, "prod", "ben", "network, still", NOON + MINUTE)
    with ledger.reading() as session:
        lever = levers.pulled(session, "prod")
        assert lever
        assert lever.stopped_by == "ben"
        assert levers.pulled(session, "preprod") is None

    with ledger.session() as session:
        levers.pull(session, levers.EVERYWHERE, "jane", "", NOON)
    with ledger.reading() as session:
        assert levers.pulled(session, "preprod")

    with ledger.session() as session:
        assert levers.let_go(session, levers.EVERYWHERE)
        assert levers.let_go(session, "prod")
        assert not levers.let_go(session, "prod")
        assert levers.pulled(session, "prod") is None


def test_the_pinned_plan_reads_back_as_it_was(case: Case) -> None:
    """The newest pinned plan is the one an incident is bound to, with the same digest."""
    assert plans.pinned(case) is None
    case.pin(plan())
    case.mark_plan("failed", "stuck")
    case.pin(plan("direct"))

    kept = plans.pinned(case)

    assert kept == plan("direct")
    assert kept.digest == plan("direct").digest
    assert plans.rungs_at_their_end(case) == {"terraform"}
    assert plans.state_of(case, "direct") == "pinned"
    assert plans.state_of(case, "terraform") is None


def test_how_far_a_rung_got(case: Case) -> None:
    """A rung that is under way is taken up again; one that failed, was undone or drifted is not."""
    case.pin(plan())
    for state, going_on in (
        ("acting", "acting"),
        ("undoing", "undoing"),
        ("verified", "verified"),
        ("failed", None),
        ("undone", None),
        ("void", None),
    ):
        case.mark_plan(state)
        assert plans.state_of(case, "terraform") == going_on


def test_the_snapshot_is_taken_once(case: Case) -> None:
    """A resumed run keeps the state before of the first run: after half a rollback it would be another."""
    case.pin(plan())
    plans.keep_snapshot(case, lambda: {"function one": "bad"})
    plans.keep_snapshot(case, lambda: {"function one": "half"})

    assert plans.kept_snapshot(case) == {"function one": "bad"}


def test_an_empty_snapshot_is_a_snapshot(case: Case) -> None:
    """Nothing to keep is taken once too."""
    taken = 0

    def take() -> dict[str, str]:
        nonlocal taken
        taken += 1
        return {}

    case.pin(plan())
    plans.keep_snapshot(case, take)
    plans.keep_snapshot(case, take)

    assert taken == 1
