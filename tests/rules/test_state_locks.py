"""Who holds a state lock, and what proves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rules.outcomes import Verdict
from rules.state_locks import (
    FREEZE,
    Holder,
    Judgement,
    OwnRun,
    from_diagnostic,
    from_json,
    frozen_by,
    judge,
    judge_lock,
    taken_by,
)

AT = datetime(2026, 11, 22, 5, 4, 50, 522235, tzinfo=UTC)
LOCK = from_json(
    '{"ID":"a90b32d3","Operation":"OperationTypeApply","Info":"","Who":"root@vm","Version":"1.11.4",'
    '"Created":"2026-11-22T05:04:50.522235717Z","Path":"tfstate/preprod/terraform.tfstate"}'
)


def run(
    lock: str = "a90b32d3", *, dead: bool = True, ended: datetime | None = None, who: str = "root@vm"
) -> OwnRun:
    """A Terraform process of ours, begun just before the lock was taken."""
    return OwnRun(
        who=who, begun=AT - timedelta(seconds=1), lock_id=lock, dead=dead, incident="inc-1", ended=ended
    )


def test_nine_digits_of_a_second_are_read() -> None:
    """Go prints nanoseconds and leaves zeros out; Python keeps microseconds."""
    assert LOCK.created == AT
    short = from_json('{"ID":"x","Who":"a@b","Created":"2026-11-22T05:04:50Z"}')
    assert short.created == AT.replace(microsecond=0)


@pytest.mark.parametrize(
    ("runs", "alone", "holder"),
    [
        ([run()], False, Holder.OUR_DEAD),
        ([run(dead=False)], False, Holder.OUR_LIVE),
        ([], True, Holder.FOREIGN),
        ([run(lock="another")], True, Holder.FOREIGN),
        ([run(lock="")], True, Holder.FOREIGN),
        ([run(lock="", ended=AT + timedelta(seconds=5))], True, Holder.OUR_DEAD),
        ([run(lock="", ended=AT + timedelta(seconds=5))], False, Holder.FOREIGN),
        ([run(lock="", ended=AT - timedelta(milliseconds=1))], True, Holder.FOREIGN),
        ([run(lock="", ended=AT + timedelta(seconds=5), who="root@other")], True, Holder.FOREIGN),
    ],
)
def test_only_proof_makes_a_lock_ours(runs: list[OwnRun], alone: bool, holder: Holder) -> None:
    """By its id in our records and a dead process, or taken in the time of a run that ended by itself, alone here."""
    judged = judge(LOCK, runs, alone=alone)

    assert judged.holder is holder
    assert "a90b32d3" in judged.reason


@pytest.mark.parametrize(
    ("host", "alone", "holder"),
    [
        ("vm", True, Holder.GONE),
        ("vm", False, Holder.FOREIGN),
        ("vm2", True, Holder.FOREIGN),
        ("", True, Holder.FOREIGN),
    ],
)
def test_a_lock_of_this_host_needs_nobody_here(host: str, alone: bool, holder: Holder) -> None:
    """Taken on this very host, where no Terraform runs: whoever took it is gone."""
    assert judge(LOCK, [], alone=alone, host=host).holder is holder


@pytest.mark.parametrize(
    ("holder", "verdict"),
    [
        (Holder.OUR_DEAD, Verdict.FAIL),
        (Holder.GONE, Verdict.FAIL),
        (Holder.OUR_LIVE, Verdict.INCONCLUSIVE),
        (Holder.FOREIGN, Verdict.INCONCLUSIVE),
    ],
)
def test_only_a_dead_holder_makes_a_lock_stale(holder: Holder, verdict: Verdict) -> None:
    """A lock at work is no fault, and no lock is none."""
    assert judge_lock(LOCK, Judgement(holder=holder, reason="so it is")).verdict is verdict
    assert judge_lock(None, None).verdict is Verdict.PASS


def test_age_proves_nothing() -> None:
    """A lock of somebody else is somebody else's after a year, too."""
    old = LOCK.model_copy(update={"created": AT - timedelta(days=365), "who": "ci@runner"})

    assert judge(old, [run(lock="")], alone=True).holder is Holder.FOREIGN


def test_a_lock_taken_before_we_began_is_not_ours() -> None:
    """Even by the same user on the same host."""
    assert taken_by(LOCK, "root@vm", AT - timedelta(seconds=1))
    assert not taken_by(LOCK, "root@vm", AT + timedelta(seconds=1))
    assert not taken_by(LOCK, "root@other", AT - timedelta(seconds=1))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"ID": "x"}', "null", '{"ID":"x","Who":"y","Created":"soon"}']
)
def test_what_is_no_lock_is_refused(text: str) -> None:
    """A damaged lock is an error, not a free state."""
    with pytest.raises(ValueError):  # noqa: PT011 - any of Python's own
        from_json(text)


def test_a_message_without_a_lock_is_none() -> None:
    """A backend that failed names no holder."""
    assert from_diagnostic("operation error S3: PutObject, NoSuchBucket") is None


@pytest.mark.parametrize(
    ("incident", "ended", "holder"),
    [
        ("inc-7", frozenset[str](), Holder.THIS_RECOVERY),
        ("inc-8", frozenset[str](), Holder.FOREIGN),
        ("", frozenset[str](), Holder.FOREIGN),
        ("inc-8", frozenset({"inc-7"}), Holder.OUR_DEAD),
        ("inc-8", frozenset({"inc-9"}), Holder.FOREIGN),
    ],
)
def test_a_freeze_belongs_to_its_incident(incident: str, ended: frozenset[str], holder: Holder) -> None:
    """While it recovers nobody else touches its lock; once it has ended, the lock was left behind."""
    freeze = LOCK.model_copy(update={"operation": FREEZE, "info": "inc-7 keeps deployments out"})

    judged = judge(freeze, [run()], alone=True, host="vm", incident=incident, ended=ended)

    assert judged.holder is holder
    assert frozen_by(freeze) == "inc-7"
    assert frozen_by(LOCK) == ""
