"""Looking at what recoveries need, one precondition each, with the probes that the recoveries use themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from blocks.environment import Environment
from blocks.platforms import LambdaPlatform
from flows._place import refuse_other_place
from flows._release_choice import choose_target
from ledger import levers
from ledger.alarms import prove_writable
from ledger.cases import now
from ledger.database import open_ledger
from rules import readiness
from rules.errors import BackstopError, StepFailed, TransientFailure
from rules.kit_settings import judge_target
from rules.outcomes import Verdict
from rules.readiness import Seen, State
from rules.retention import Proof
from rules.stack_restore_points import candidates
from tasks.alarms import alarm_states
from tasks.backup_contents import prove_readable
from tasks.backup_proofs import proofs
from tasks.backups import read_backups
from tasks.channel_looks import channel_fault
from tasks.containers import engine_identity, look_at_stack
from tasks.granted_permissions import credentials_end, simulated
from tasks.host_space import free_space
from tasks.identities import who_am_i
from tasks.kinds import in_parallel
from tasks.kit_settings import kit_settings
from tasks.queues import queue_state
from tasks.repositories import commit_of, newest_commit
from tasks.run_lists import list_runs
from tasks.terraform_locks import lock_evidence
from tasks.terraform_states import saved_state
from tasks.terraform_versions import terraform_version

Look = Callable[[Environment], Seen]


def look_at(environment: Environment, names: frozenset[str]) -> dict[str, Seen]:
    """How each of these preconditions is, looked at at the same time. One that cannot be looked at is unknown."""
    wanted = sorted(names)
    return dict(
        zip(wanted, in_parallel([partial(_guarded, environment, name) for name in wanted]), strict=True)
    )


def _guarded(environment: Environment, name: str) -> Seen:
    try:
        return LOOKS[name](environment)
    except TransientFailure as error:
        return Seen(state=State.UNKNOWN, said=error.message, todo=error.hint)
    except BackstopError as error:
        return Seen(state=State.NOT_READY, said=error.message, todo=error.hint)
    except Exception as error:  # noqa: BLE001 - what cannot be looked at is unknown, never ready
        return Seen(state=State.UNKNOWN, said=f"it could not be looked at: {type(error).__name__}")


def _ready(said: str) -> Seen:
    return Seen(state=State.READY, said=said)


def _credentials(environment: Environment) -> Seen:
    refuse_other_place(environment)
    return readiness.judge_expiry(who_am_i(environment).arn, credentials_end(environment), now())


def _permissions(environment: Environment) -> Seen:
    try:
        return readiness.judge_permissions(simulated(environment, _resources(environment)))
    except StepFailed:
        alarm_states(environment)  # IAM does not tell: what can be read is read
        return readiness.judge_permissions(None)


def _alarms(environment: Environment) -> Seen:
    return _ready(f"{len(alarm_states(environment))} can be read")


def _resources(environment: Environment) -> Mapping[str, list[str]]:
    """The ARNs on which each action is needed."""
    account, platform = environment.aws, environment.lambda_platform
    functions = [
        f"arn:aws:lambda:{account.region}:{account.account_id}:function:{function.name}"
        for function in platform.functions
    ]
    by_service = {"lambda": functions, "s3": [f"arn:aws:s3:::{platform.artifact_bucket}/*"]}
    return {action: by_service.get(action.partition(":")[0], ["*"]) for action in readiness.CHANGES["lambda"]}


def _target(environment: Environment) -> Seen:
    target = choose_target(environment, None)
    return _ready(f"{target.release}, whose packages are the proven ones")


def _at_newest(environment: Environment) -> tuple[Environment, str, str]:
    workspace = environment.lambda_platform.terraform
    commit = newest_commit(workspace)
    return environment, commit, commit_of(workspace, commit)


def _state(environment: Environment) -> Seen:
    return _ready(str(saved_state(*_at_newest(environment))))


def _lock(environment: Environment) -> Seen:
    held = lock_evidence(*_at_newest(environment))
    if held is None:
        return _ready("nobody holds it")
    return Seen(
        state=State.NOT_READY,
        said=f"held: {held.judgement.reason}",
        todo=f"Wait for it, or `backstop recover stale-terraform-lock --environment {environment.name}`.",
    )


def _repository(environment: Environment) -> Seen:
    list_runs(environment, most=1)
    return _ready("its runs can be read")


def _engine(environment: Environment) -> Seen:
    refuse_other_place(environment)
    look_at_stack(environment)
    return _ready(f"version {engine_identity(environment).version} answers")


def _backup(environment: Environment) -> Seen:
    known = candidates(read_backups(environment), proofs(environment))
    seen = readiness.judge_backups(known, environment.docker_stack.rpo_seconds, now())
    if seen.state is State.READY:
        # It was proven once: whether it still is what it was, only reading it tells.
        prove_readable(environment, next(each.backup for each in known if each.proof is Proof.PROVEN))
    return seen


def _kit(environment: Environment) -> Seen:
    folder = Path(environment.test_kit.folder).expanduser()
    if not folder.is_dir():
        return Seen(
            state=State.NOT_READY, said=f"{folder} is not on this host", todo="Run this where the kit runs."
        )
    kit_settings(environment)
    return _ready("its folder is on this host")


def _queue(environment: Environment) -> Seen:
    checks = [judge_target(queue_state(environment, url)) for url in environment.test_kit.targets]
    bad = [f"{check.name}: {check.reason}" for check in checks if check.verdict is not Verdict.PASS]
    if bad:
        return Seen(state=State.NOT_READY, said="; ".join(bad), todo="Correct the queues in its file.")
    return _ready(f"{len(checks)} can be read")


def _channels(environment: Environment) -> Seen:
    path = environment.escalation
    channels = {
        str(one): one for one in [*path.notices, *(c for level in path.levels for c in level.channels)]
    }
    found = in_parallel([partial(channel_fault, one, environment.account) for one in channels.values()])
    return readiness.judge_channels(dict(zip(channels, found, strict=True)), environment.tier)


def _approvers(environment: Environment) -> Seen:
    path = environment.escalation
    asked = len(path.notices) + len(path.levels[0].channels if path.levels else [])
    return readiness.judge_approvers(asked, environment.automatic_up_to)


def _ledger(_environment: Environment) -> Seen:
    prove_writable(open_ledger())
    return _ready("it can be written")


def _lever(environment: Environment) -> Seen:
    with open_ledger().reading() as session:
        lever = levers.pulled(session, environment.name)
    if lever is None:
        return _ready("it is off")
    said = f"it is on ({lever.scope}), by {lever.stopped_by}: {lever.reason}"
    return Seen(state=State.NOT_READY, said=said, todo="When it is over: backstop stop-lever off.")


def _schema(environment: Environment) -> Seen:
    tables = environment.platform.tables if isinstance(environment.platform, LambdaPlatform) else []
    if not tables:
        return _ready("there is none to fit")
    named = ", ".join(table.name for table in tables)
    return Seen(
        state=State.UNKNOWN, said=f"whether an older release reads what is in {named} now is not known here"
    )


LOOKS: Mapping[str, Look] = {
    "credentials": _credentials,
    "permissions": _permissions,
    "alarms": _alarms,
    "target release": _target,
    "terraform": lambda environment: _ready(terraform_version(environment)),
    "state": _state,
    "state lock": _lock,
    "repository": _repository,
    "engine": _engine,
    "backup": _backup,
    "kit": _kit,
    "queue": _queue,
    "channels": _channels,
    "approvers": _approvers,
    "ledger": _ledger,
    "stop lever": _lever,
    "schema": _schema,
    "disk": lambda _environment: readiness.judge_space(free_space()),
}
"""How each precondition is looked at."""
