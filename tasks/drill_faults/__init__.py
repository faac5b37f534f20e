"""Real faults for drills, brought about and undone with the environment's own credentials."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from blocks.docker_stack import DockerStackPlatform
from blocks.environment import Environment
from blocks.platforms import LambdaPlatform
from rules.drills import AllowedDrill, FaultName
from rules.health import short
from rules.stacks import StackLook
from rules.stray_messages import QueueState
from tasks.containers import look_at_stack
from tasks.drill_faults.broken_release import BROKEN_RELEASE
from tasks.drill_faults.corrupted_redis import CORRUPTED_REDIS
from tasks.drill_faults.held_lock import HELD_LOCK
from tasks.drill_faults.killed_gateway import KILLED_GATEWAY
from tasks.drill_faults.kind import DrillFault, Note, Wish
from tasks.drill_faults.polluted_table import POLLUTED_TABLE
from tasks.drill_faults.set_alarm import ALARM, ALARM_ONLY, prepare_alarm, set_alarm, unset_alarm
from tasks.drill_faults.wrong_queue import WRONG_QUEUE
from tasks.kinds import in_parallel
from tasks.kit_settings import kit_settings
from tasks.lambdas import all_live_code
from tasks.queues import queue_state

__all__ = [
    "Note",
    "Wish",
    "inject_fault",
    "marked_by",
    "prepare_fault",
    "undo_fault",
    "word_for",
    "world_of",
]

_FAULTS: dict[FaultName, DrillFault] = {
    fault.name: fault
    for fault in (
        BROKEN_RELEASE,
        HELD_LOCK,
        KILLED_GATEWAY,
        CORRUPTED_REDIS,
        WRONG_QUEUE,
        POLLUTED_TABLE,
        ALARM_ONLY,
    )
}


def prepare_fault(environment: Environment, drill: AllowedDrill, wish: Wish) -> dict[str, str]:
    """What is needed to bring the fault about and to undo it; changes nothing.

    Raises:
        RecoveryRefused: it cannot be brought about here; says why.
    """
    note = _FAULTS[drill.fault].prepare(environment, wish)
    return note | (prepare_alarm(environment, wish) if wish.alarm else {})


def inject_fault(environment: Environment, fault: str, note: Note) -> None:
    """Bring it about, and let the alarm fire where none notices it by itself. The note must be in the ledger."""
    _FAULTS[FaultName(fault)].inject(environment, note)
    if ALARM in note:
        set_alarm(environment, note)


def undo_fault(environment: Environment, fault: str, note: Note) -> tuple[str, str]:
    """Take back what is left of it: what was left of the fault, and what of its alarm; empty: nothing.

    Repeating it changes nothing, and what a recovery has put right is left alone.
    """
    alarm = unset_alarm(environment, note) if ALARM in note else ""
    return _FAULTS[FaultName(fault)].undo(environment, note), alarm


def marked_by(environment: Environment, fault: str, note: Note) -> dict[str, str]:
    """How what the fault hits stands, to be compared as `world_of` is."""
    return _FAULTS[FaultName(fault)].marked(environment, note)


def word_for(environment: Environment, fault: str, note: Note) -> Mapping[str, object] | None:
    """What a person would ask the recovery for; None: it is too early to, or an alarm tells of the fault."""
    return _FAULTS[FaultName(fault)].word(environment, note)


def world_of(environment: Environment) -> dict[str, str]:
    """What must be after the drill as it was before: the code callers get, what each service runs, or each queue."""
    if isinstance(environment.platform, LambdaPlatform):
        return {f"code of {code.function}": short(code.sha256) for code in all_live_code(environment)}
    if isinstance(environment.platform, DockerStackPlatform):
        look: StackLook = look_at_stack(environment)
        return {f"service {each.service}": f"{each.image[:19]} {each.state}" for each in look.containers}
    variable, urls = environment.test_kit.variables.queue_url, [q.url for q in environment.test_kit.queues]
    queues: list[QueueState] = in_parallel([partial(queue_state, environment, url) for url in urls])
    return {
        f"setting {variable}": kit_settings(environment).get(variable, ""),
        **{f"queue {each.name}": _told(each) for each in queues},
    }


def _told(queue: QueueState) -> str:
    dead = f", {queue.max_receives} receives, then {queue.dead_letters}" if queue.max_receives else ""
    return f"there{dead}" if queue.exists else "not there"
