"""SQS queues: looking at them, taking a run's messages out of one, sending them on to another."""

from __future__ import annotations

import time
from functools import partial

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.errors import StepFailed, TransientFailure
from rules.outcomes import Effect
from rules.stray_messages import QueueState, RunTraces, Tally, Whose, tally, whose
from tasks._message_copies import Copies, Copy
from tasks._queue_calls import QueueCalls
from tasks._queue_journal import QueueJournal
from tasks._queue_moves import Mover
from tasks._queue_sweep import Found, Sweep
from tasks.kinds import action, probe, say

PURGE_SECONDS = 60
"""SQS takes so long to purge, and refuses a second one meanwhile."""


@probe
def queue_state(environment: Environment, url: str) -> QueueState:
    """What SQS says of a queue; nothing is received. Its `dead_letters` is a whole address.

    Permissions: sqs:GetQueueAttributes
    """
    state = QueueCalls(environment, url).state()
    named = environment.test_kit.queue(url)
    if named and named.dead_letters:
        return state.model_copy(update={"dead_letters": named.dead_letters})
    if state.dead_letters:
        return state.model_copy(update={"dead_letters": f"{url.rpartition('/')[0]}/{state.dead_letters}"})
    return state


@probe
def removed_ids(environment: Environment, run_id: str) -> frozenset[str]:
    """Ids of a run's messages of which there are copies: they were taken out of some queue.

    Permissions: s3:ListBucket, s3:GetObject, secretsmanager:GetSecretValue
    """
    return frozenset(Copies(environment, run_id).all())


@probe
def searched_queues(environment: Environment, run_id: str) -> dict[str, frozenset[str]]:
    """The queues that were searched to their end, with the ids that had been consumed by then. Permissions: none."""
    accounts = QueueJournal(environment.name, run_id).accounts()
    return {
        url: frozenset(str(one) for one in told["consumed"])
        for url, told in accounts.items()
        if not told["out_of_reach"]
    }


@probe
def tally_of(environment: Environment, run_id: str, traces: RunTraces) -> Tally:
    """What became of a run's messages so far.

    Permissions: s3:ListBucket, s3:GetObject, secretsmanager:GetSecretValue
    """
    journal = QueueJournal(environment.name, run_id)
    moves, accounts = journal.moves(), journal.accounts().values()
    return tally(
        traces,
        frozenset(Copies(environment, run_id).all()),
        moved=len(moves.sent),
        uncertain=len(moves.uncertain) + len(moves.pending),
        out_of_reach=sum(int(told["out_of_reach"]) for told in accounts),
        unclear=sum(int(told["unclear"]) for told in accounts),
    )


@action(subject="the messages of {run_id} in {url}")
def remove_published(
    environment: Environment, run_id: str, traces: RunTraces, url: str, spend: bool = False
) -> Effect:
    """Copy and delete what a run published into a queue, and nothing else. Repeating it changes nothing.

    Everybody else's messages are held while it searches, and visible again afterwards. It stops before it costs one of
    them its last try, unless `spend`.

    Permissions: sqs:GetQueueAttributes, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility,
        s3:PutObject, secretsmanager:GetSecretValue

    Raises:
        StepFailed: others' messages would have died of the search, or a copy could not be kept.
    """
    calls, journal = QueueCalls(environment, url), QueueJournal(environment.name, run_id)
    copies = Copies(environment, run_id)
    found = Sweep(calls, journal, copies, partial(whose, traces=traces), spend=spend).run()
    kept = frozenset(copies.all())
    _refuse_to_spend(calls, found, spend=spend)
    missing = traces.message_ids - kept
    reach = min(found.out_of_reach, len(missing)) if traces.message_ids else found.out_of_reach
    consumed = [] if found.out_of_reach else sorted(missing)
    journal.account(url, {"consumed": consumed, "out_of_reach": reach, "unclear": len(found.unclear)})
    told = f"{len(found.others)} messages of others left in place"
    say(f"{calls.name}: {len(found.removed)} messages of {run_id} taken out, {told}.")
    gone = len(found.removed)
    return Effect(subject=calls.name, changed=gone > 0, after=f"{gone} taken out", detail=told)


def _refuse_to_spend(calls: QueueCalls, found: Found, *, spend: bool) -> None:
    if found.brink and not spend:
        raise StepFailed(
            f"The search of {calls.name} was stopped: {len(found.brink)} messages of others were received so often "
            "before that the next receive sends them to the dead-letter queue. All are in their place.",
            hint="Raise its `maxReceiveCount`, let its consumer work, or allow it: `spend_receives=true`.",
        )


@action(subject="messages {first}-{last} of {run_id}")
def send_on(environment: Environment, run_id: str, target: str, first: int, last: int) -> Effect:
    """Send messages that were taken out, by their number from 1, to the queue they were meant for, once each.

    Repeating it changes nothing. What a dead run was about to send is looked for in the target; where nobody can tell
    any more whether it was sent, it is not sent again.

    Permissions: sqs:GetQueueAttributes, sqs:SendMessage, sqs:ReceiveMessage, sqs:ChangeMessageVisibility,
        s3:ListBucket, s3:GetObject, secretsmanager:GetSecretValue

    Raises:
        StepFailed: the target does not exist, or looking into it would cost others their last try.
    """
    messages: list[Copy] = list(Copies(environment, run_id).all().values())[first - 1 : last]
    mover = Mover(QueueCalls(environment, target), QueueJournal(environment.name, run_id), environment)
    sent, uncertain = mover.send(messages)
    subject = f"messages {first}-{last} of {run_id}"
    told = f"; of {uncertain} nobody can tell whether they were sent" if uncertain else ""
    return Effect(subject=subject, changed=sent > 0, after=f"{sent} sent on", detail=f"{sent} sent on{told}")


@action(subject="copies of everything in {url}")
def copy_everything(environment: Environment, run_id: str, url: str) -> Effect:
    """Copy every message of a queue, whoever's it is, and leave it in place. Repeating it changes nothing.

    Permissions: sqs:GetQueueAttributes, sqs:ReceiveMessage, sqs:ChangeMessageVisibility, s3:PutObject

    Raises:
        StepFailed: not everything could be copied.
    """
    calls, journal = QueueCalls(environment, url), QueueJournal(environment.name, f"{run_id}-purge")
    copies = Copies(environment, f"{run_id}-purge")
    keeping = Sweep(calls, journal, copies, lambda _: Whose.OTHERS, spend=True, keep_all=True)
    found = keeping.run()
    if found.out_of_reach:
        raise StepFailed(
            f"{found.out_of_reach} messages of {calls.name} are in somebody's hands and could not be copied.",
            hint="Stop its consumers first. Nothing was purged.",
        )
    return Effect(subject=calls.name, changed=bool(found.others), after=f"{len(found.others)} copied")


@action(subject="everything in {url}")
def purge(environment: Environment, url: str) -> Effect:
    """Delete every message of a queue, whoever's it is. Repeating it changes nothing.

    Permissions: sqs:GetQueueAttributes, sqs:PurgeQueue

    Raises:
        TransientFailure: it was purged less than a minute ago.
    """
    calls = QueueCalls(environment, url)
    before = calls.state().total
    if not before:
        return Effect(subject=calls.name, changed=False, after="empty", detail="it is empty already")
    client = environment.aws.client("sqs")
    try:
        with translated(f"purge {calls.name}"):
            client.purge_queue(QueueUrl=url)
    except StepFailed as error:
        if "PurgeQueueInProgress" in error.message:
            time.sleep(1)
            raise TransientFailure(error.message, hint=f"It is done within {PURGE_SECONDS} s.") from error
        raise
    return Effect(subject=calls.name, changed=True, before=f"{before} messages", after="empty")
