"""Restore test: a backup is restored beside the stack, so that what recoveries return to is known to bring it back."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.context import FlowRunContext
from prefect.states import Failed
from pydantic import Field, StringConstraints

from blocks.environment import Environment
from flows._place import refuse_other_place
from flows._proving import prove
from rules.backup_proofs import to_test
from rules.errors import RecoveryRefused
from rules.outcomes import Verdict
from rules.retention import Proof
from tasks.backup_contents import manifest_of
from tasks.backup_proofs import proofs
from tasks.backups import backup_names
from tasks.kinds import say
from tasks.restore_trials import Trial

BackupName = Annotated[str, StringConstraints(max_length=60)]


@flow(name="restore-test", flow_run_name="restore-test of {environment.name}")
def restore_test(
    environment: Environment,
    backup: Annotated[
        BackupName,
        Field(title="Backup", description="Its name; empty: the newest, if it was not tested."),
    ] = "",
    every: Annotated[bool, Field(title="Each that was never tested")] = False,
) -> Any:
    """Restore a backup into a throw-away Redis of the same image, and compare it with what was backed up.

    Its files by size and hash, the keys that Redis reads, the canary, the counts by prefix, a sample of the values.
    Only then it counts as proven. One that fails is marked, nothing returns to it any more, and people are told once.
    The stack is not touched: the throw-away Redis has no network and no ports, and does not outlive its test.

    Source: runbook 004, «Backup Validation» and «Regular Backup Testing».

    Args:
        environment: A Docker stack.
        backup: The name of one; empty: the newest, if it was not tested.
        every: Each that was never tested, the newest first.
    """
    refuse_other_place(environment)
    known = proofs(environment)
    trials = []
    names = backup_names(environment) if backup else _with_data(environment, every=every)
    for name in to_test(names, known, named=backup, every=every):
        trials.append(prove(environment, name, known.get(name, Proof.UNTESTED)))
    if not trials:
        say(f"The newest backup of {environment.name} was tested before." if known else "There is no backup.")
    return _shown(trials)


def _with_data(environment: Environment, *, every: bool) -> list[str]:
    """The backups that have data, the newest first; the newest of them alone where not each is asked for."""
    found: list[str] = []
    for name in backup_names(environment):
        try:
            data = manifest_of.fn(environment, name).has_data
        except RecoveryRefused:
            data = True  # what cannot be read shall not pass for untested
        if data:
            found.append(name)
            if not every:
                break
    return found


def _shown(trials: list[Trial]) -> Any:
    """In a flow run a backup that fails is a failed run."""
    bad = [each for each in trials if each.verification.verdict is not Verdict.PASS]
    if not bad or FlowRunContext.get() is None:
        return trials
    told = "; ".join(f"{each.backup}: {'; '.join(each.verification.reasons)}" for each in bad)
    return Failed(name="Not proven", message=told)
