"""Messages in the wrong queue: exactly the run's are taken out, on a queue that others use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blocks.settings import settings
from flows._ladder import Request
from flows.canary_failure import recover as recover_canary
from flows.wrong_queue_publish import recover
from rules.outcomes import Ending
from rules.severity import Tier
from sandbox import kit_runs
from sandbox.kit_faults import CONSUMED, COUNT, STRAY_RUN
from sandbox.test_kit.place import BILLING, BILLING_FIFO, INTAKE, INTAKE_FIFO, OTHERS, KitPlace, dead
from sandbox.world import Sandbox
from tasks._message_copies import Copies
from tests.flows.kit_world import KitWorld, steps

pytestmark = [pytest.mark.slow]

FOUND = COUNT - CONSUMED
PAST = Request(requested_by="Ada", break_glass="billing agreed on the phone")


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa before anything happens; waits are short."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.1")
    settings.cache_clear()
    return KitWorld.of(qa_sandbox, qa)


def test_only_the_runs_messages_are_taken_out(world: KitWorld) -> None:
    """From the queue and its dead letters; everybody else's keep id, place and tries, and the run has ended."""
    others, dead_others = world.ids(BILLING), world.ids(dead(BILLING))
    world.fault("wrong-queue")

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert world.ids(BILLING) == others
    assert world.ids(dead(BILLING)) == dead_others
    now = world.read()
    assert set(now.hidden.values()) == {0}
    assert now.alive == ()
    assert now.locks == ()
    assert max(message.receives for message in world.place.held(BILLING)) <= 2
    assert outcome.verification
    counts = outcome.verification.checks[0].reason
    assert counts == f"{COUNT} published, {FOUND} removed, 0 sent on, {CONSUMED} consumed already"
    copies = Copies(world.environment, STRAY_RUN).all()
    assert len(copies) == FOUND
    assert {json.loads(copy.body)["type"] for copy in copies.values()} == {"order.placed"}
    assert b"order.placed" not in b"".join(p.read_bytes() for p in world.place.copies.rglob("*.messages"))


def test_what_is_done_is_not_done_again(world: KitWorld) -> None:
    """A second recovery of the same run finds everything accounted for, and searches nothing."""
    world.fault("wrong-queue")
    assert recover.fn(world.environment).ending is Ending.RECOVERED
    receives = [message.receives for message in world.place.held(BILLING)]

    again = recover.fn(world.environment)

    assert again.ending is Ending.NOTHING_TO_DO, again.reason
    assert [message.receives for message in world.place.held(BILLING)] == receives


def test_they_are_sent_on_once_each(world: KitWorld) -> None:
    """Body and attributes arrive at the right queue as the run sent them."""
    world.fault("wrong-queue")

    outcome = recover.fn(world.environment, send_on_to_right_queue=True)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    arrived = world.place.held(INTAKE)
    assert len(arrived) == FOUND
    assert len({message.body for message in arrived}) == FOUND
    assert {message.attributes["run_id"] for message in arrived} == {STRAY_RUN}


def test_a_fifo_queue_keeps_its_order(world: KitWorld) -> None:
    """In groups of both, others' messages stay in their order, and the run's are moved in theirs."""
    others = world.ids(BILLING_FIFO)
    world.fault("wrong-fifo-queue")

    outcome = recover.fn(world.environment, send_on_to_right_queue=True)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert world.ids(BILLING_FIFO) == others
    assert world.read().hidden[BILLING_FIFO] == 0
    orders = [json.loads(message.body)["order"] for message in world.place.held(INTAKE_FIFO)]
    assert sorted(orders) == [f"{STRAY_RUN}-{number:05}" for number in range(COUNT)]
    for group in {message.group for message in world.place.held(INTAKE_FIFO)}:
        mine = [json.loads(m.body)["order"] for m in world.place.held(INTAKE_FIFO) if m.group == group]
        assert mine == sorted(mine)


def test_a_run_that_published_where_it_should_is_left_alone(world: KitWorld) -> None:
    """Nothing to do: its messages stay in the right queue."""
    world.fault("finished-run")
    before = world.read()

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert world.read() == before


def test_what_went_to_the_right_queue_is_not_counted(world: KitWorld) -> None:
    """A run that published to both: its messages in the right queue stay, and are no part of the counts."""
    world.fault("wrong-queue")
    spans = world.place.artifacts / STRAY_RUN / "spans.jsonl"
    right = {
        "name": "sqs.send",
        "run_id": STRAY_RUN,
        "queue_url": world.place.url(INTAKE),
        "message_id": "m-right",
        "correlation_id": "c-right",
    }
    with spans.open("a") as file:
        file.write(json.dumps(right) + "\n")

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.verification
    assert outcome.verification.checks[0].reason.startswith(f"{COUNT} published, {FOUND} removed")
    assert recover.fn(world.environment).ending is Ending.NOTHING_TO_DO


def test_a_rehearsal_changes_nothing(world: KitWorld) -> None:
    """Not even a receive count; the run goes on; the plan is what is then done, and offers the right setting."""
    world.fault("wrong-queue")
    before, receives = world.read(), [m.receives for m in world.place.held(BILLING)]

    rehearsed = recover.fn(world.environment, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert world.read() == before
    assert [m.receives for m in world.place.held(BILLING)] == receives
    assert rehearsed.plan
    assert any(f"set ITK_SQS_QUEUE_URL={world.place.url(INTAKE)}" in r for r in rehearsed.plan.reasons)
    real = recover.fn(world.environment)
    assert real.plan
    assert real.plan.digest == rehearsed.plan.digest


def redrive(world: KitWorld, most: int) -> None:
    """Let a message of the billing queue be received so often."""
    policy = {
        "deadLetterTargetArn": f"arn:aws:sqs:us-east-1:123456789012:{dead(BILLING)}",
        "maxReceiveCount": most,
    }
    world.place.client("sqs").set_queue_attributes(
        QueueUrl=world.place.url(BILLING), Attributes={"RedrivePolicy": json.dumps(policy)}
    )


def test_a_queue_whose_messages_live_once_is_refused(world: KitWorld) -> None:
    """Looking would kill everybody's messages: nothing is changed, the hint says what to do."""
    world.fault("wrong-queue")
    redrive(world, 1)
    before = world.read()

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert "maxReceiveCount" in outcome.hint
    assert world.read() == before


def test_others_keep_their_last_try(world: KitWorld) -> None:
    """A message that would die of one more look stops the search: nobody's is lost, nobody's is hidden."""
    others = world.ids(BILLING)
    world.fault("wrong-queue")
    redrive(world, 2)

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "received so often" in outcome.reason
    assert set(others) <= set(world.ids(BILLING))
    assert world.read().hidden[BILLING] == 0


def test_correlation_ids_suffice_where_there_are_no_artifacts(world: KitWorld) -> None:
    """With the time it began; answers that carry the same ids from before are left alone."""
    world.fault("wrong-queue")
    spans = (world.place.artifacts / STRAY_RUN / "spans.jsonl").read_text().splitlines()
    known = [json.loads(line)["correlation_id"] for line in spans]
    kit_runs.end_runs(world.place.home)
    (world.place.artifacts / STRAY_RUN).rename(world.place.folder / "lost")

    refused = recover.fn(world.environment, wrong_queue=world.place.url(BILLING), correlation_ids=known)
    assert refused.ending is Ending.REFUSED
    assert "sent_after" in refused.hint

    outcome = recover.fn(
        world.environment,
        wrong_queue=world.place.url(BILLING),
        correlation_ids=known,
        sent_after="2020-01-01T00:00",
    )
    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert len(world.ids(BILLING)) == OTHERS


def test_a_queue_that_is_gone_needs_nothing(world: KitWorld) -> None:
    """Somebody deleted it meanwhile: there is nothing to take out, and that is said."""
    world.fault("wrong-queue")
    kit_runs.end_runs(world.place.home)
    for name in (BILLING, dead(BILLING)):
        world.place.client("sqs").delete_queue(QueueUrl=world.place.url(name))

    outcome = recover.fn(world.environment)

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason


def test_purging_is_for_qa_alone_and_copies_first(world: KitWorld) -> None:
    """By choice, past an approval; elsewhere it is refused. Everybody's messages are in the copy."""
    world.fault("wrong-queue")
    everything = set(world.ids(BILLING))
    staging = world.environment.model_copy(update={"tier": Tier.STAGING})

    refused = recover.fn(staging, purge_instead=True, request=PAST)
    assert refused.ending is Ending.REFUSED, refused.reason
    assert set(world.ids(BILLING)) == everything
    rehearsed = recover.fn(world.environment, purge_instead=True, rehearse=True)
    assert rehearsed.ending is Ending.REHEARSED

    outcome = recover.fn(world.environment, purge_instead=True, request=PAST)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert world.ids(BILLING) == []
    assert set(Copies(world.environment, f"{STRAY_RUN}-purge").all()) == everything


def test_the_runbooks_purge_destroys_other_peoples_messages(world: KitWorld) -> None:
    """«Purge queue if safe»: nothing of anybody is left, and there is no copy."""
    world.fault("wrong-queue")
    world.place.client("sqs").purge_queue(QueueUrl=world.place.url(BILLING))

    assert world.ids(BILLING) == []


def test_other_platforms_refuse(world: KitWorld) -> None:
    """A scenario for services does not touch a test kit: one clear sentence."""
    outcome = recover_canary.fn(world.environment)

    assert outcome.ending is Ending.REFUSED
    assert "qa is of the kind `test_kit`" in outcome.reason
    assert steps(outcome) == {}
