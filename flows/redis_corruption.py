"""Redis corruption: mappings are lost, or Redis cannot read or keep its data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from prefect import flow
from pydantic import Field, StringConstraints

from blocks.environment import Environment
from flows import _redis_looks
from flows._incident import handle
from flows._ladder import Request, Rung, Snapshot
from flows._proving import proven_first
from rules.errors import NoWayBack
from rules.outcomes import Effect, Finding, Outcome, Verification
from rules.plans import Change, Plan
from rules.promises import PROMISES
from rules.redis_damage import cost, found, is_damaged, is_down
from rules.severity import Destructiveness
from rules.stack_restore_points import candidates, choose, worth_a_test
from tasks.backup_proofs import proofs
from tasks.backups import read_backups
from tasks.redis_restores import restore_redis_data
from tasks.redis_returns import put_back_redis_data, start_redis

SCENARIO = "redis-corruption"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
BACKUP = "backup"
BackupName = Annotated[str, StringConstraints(max_length=60)]


@flow(name="redis-corruption", flow_run_name="redis-corruption in {environment.name}")
def recover(
    environment: Environment,
    to_backup: Annotated[
        BackupName,
        Field(title="Backup", description="Its name; empty: the newest proven one made before the loss."),
    ] = "",
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Bring a Docker stack's Redis back to data that is whole, and keep the damaged data for analysis.

    1. Look: a key written, read and deleted; load errors, crash loop, saving, memory; the keys by prefix and kind
       against the last sound backup. PING alone misleads both ways.
    2. One that only stands still, or hangs, is started with its own data.
    3. Damaged data: the newest proven backup that was not made after the loss; what is untested is tried beside the
       stack first. What is lost by it is said. What is only refused to be saved is whole, and nothing is put over it.
    4. Room for all of it is reserved. Redis is killed, what it had is kept beside it, the backup's data put where it
       looks, and it must tell that it read just these keys.
    5. Prove it: counts, canary, and an identifier masked and unmasked through the whole stack.

    Source: runbook 004, scenario 2 «Redis Data Corruption», «Data Recovery», «Data Inconsistency».
    Budget: 2 minutes.

    Args:
        environment: A Docker stack.
        to_backup: A backup by its name.
        rehearse: Only say what would be done; the stack is not changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    restore = partial(_decide_restore, environment, to_backup)
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=request,
        detect=lambda: found(_redis_looks.checks(environment), PROMISE.severity),
        ladder=[
            Rung(
                name="start",
                decide=partial(_decide_start, environment),
                act=lambda _plan: _started(environment),
                verify=partial(_verify, environment),
            ),
            _restoring("restore", environment, lambda finding: restore("restore", finding, [])),
            _restoring(
                "restore-older",
                environment,
                lambda finding: restore("restore-older", finding, _tried(environment, to_backup)),
            ),
        ],
        budget_seconds=PROMISE.seconds,
        parameters={"to_backup": to_backup} if to_backup else {},
    )


def _restoring(name: str, environment: Environment, decide: Callable[[Finding], Plan]) -> Rung:
    return Rung(
        name=name,
        decide=decide,
        act=lambda plan: _restored(environment, plan),
        verify=partial(_verify, environment),
        undo=partial(_undo, environment),
    )


def _started(environment: Environment) -> None:
    start_redis(environment)


def _restored(environment: Environment, plan: Plan) -> None:
    restore_redis_data(environment, plan.facts[BACKUP])


def _decide_start(environment: Environment, finding: Finding) -> Plan:
    checks = finding.health.checks
    if not is_down(checks):
        raise NoWayBack("Redis runs: starting it would change nothing.")
    if is_damaged(checks):
        raise NoWayBack("Redis cannot start with the data it has.")
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung="start",
        title="Start Redis with its own data",
        target=environment.docker_stack.redis.service,
        changes=(Change(subject="Redis", before=finding.summary, after="running", kind="container"),),
        expected=("Redis answers, and holds what it held",),
        destructiveness=Destructiveness.REVERSIBLE,
        reasons=("nothing says that its data is damaged",),
    )


def _decide_restore(
    environment: Environment, named: str, rung: str, finding: Finding, leave_out: Sequence[str]
) -> Plan:
    checks = finding.health.checks
    if not is_damaged(checks) and not named and not (rung == "restore" and is_down(checks)):
        raise NoWayBack(
            f"Its data is whole, and a backup would put older data over it: {finding.summary}.",
            hint="Free its disk or memory, or correct its permissions; then look again.",
        )
    if leave_out and named:
        raise NoWayBack(f"The backup {named} was asked for, and no other.")
    manifests = read_backups(environment)
    known = candidates(manifests, proofs(environment))
    left = [each for each in known if each.backup not in leave_out]
    untested = worth_a_test(left, named=named)
    there = candidates(manifests, proven_first(environment, untested))
    objective = environment.docker_stack.rpo_seconds
    point = choose(there, datetime.now(UTC), objective, named=named, leave_out=leave_out)
    [chosen] = [each for each in manifests if each.id == point.backup]
    destructiveness, why = cost(checks, point)
    return Plan(
        scenario=SCENARIO,
        environment=environment.name,
        rung=rung,
        title=f"Restore Redis's data from {point.backup}",
        target=point.backup,
        changes=(
            Change(
                subject="Redis data",
                before=finding.summary,
                after=f"{chosen.data.key_count} keys of {point.taken_at:%Y-%m-%d %H:%M:%S} UTC",
                kind="data",
            ),
        ),
        expected=("the backup's keys and canary", "an identifier is masked and comes back"),
        destructiveness=destructiveness,
        facts={BACKUP: point.backup},
        reasons=(*point.reasons, why, "what Redis holds now is kept in a folder beside its data"),
    )


def _tried(environment: Environment, named: str) -> list[str]:
    """What the rung before took."""
    there = candidates(read_backups(environment), proofs(environment))
    return [choose(there, datetime.now(UTC), environment.docker_stack.rpo_seconds, named=named).backup]


def _verify(environment: Environment, plan: Plan) -> Verification:
    return _redis_looks.watch(environment, plan.facts.get(BACKUP, ""))


def _undo(environment: Environment, plan: Plan, _before: Snapshot) -> list[Callable[[], Effect]]:
    return [lambda: put_back_redis_data(environment, plan.facts[BACKUP])]
