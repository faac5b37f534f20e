"""Backup: a Docker stack's configuration, containers and data are put away, so that there is something to return to."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.context import FlowRunContext
from prefect.states import Completed
from pydantic import StringConstraints

from blocks.environment import Environment
from flows._place import refuse_other_place
from ledger import newest_backups
from ledger.database import open_ledger
from rules.backups import BackupKind
from rules.errors import LeaseHeld
from tasks.backups import Occasion, take_backup
from tasks.kinds import say

ShortText = Annotated[str, StringConstraints(max_length=500)]
Name = Annotated[str, StringConstraints(max_length=80)]


@flow(name="backup", flow_run_name="{kind} backup of {environment.name}")
def backup(
    environment: Environment,
    kind: BackupKind = BackupKind.MANUAL,
    reason: ShortText = "",
    requested_by: Name = "",
    critical: bool = False,
) -> Any:
    """Put a Docker stack's configuration, containers and data away as they are now.

    Redis saves in the background and goes on serving. What is secret is sealed. The backup is there whole or not at
    all; its manifest says what a restore must bring back. Runbook 004, «Backup Management».

    While an incident acts on the environment none is made: half a recovery is no restore point. A scheduled run then
    says so and is done; any other fails, so that the deployment waits.

    Args:
        environment: A Docker stack.
        kind: Why it is made.
        reason: For the manifest.
        requested_by: The person or pipeline that asks for it.
        critical: Keep it longer than others.
    """
    refuse_other_place(environment)
    occasion = Occasion(kind=kind, reason=reason, requested_by=requested_by, critical=critical)
    try:
        manifest = take_backup(environment, occasion)
    except LeaseHeld as held:
        if kind is BackupKind.SCHEDULED and FlowRunContext.get() is not None:
            return Completed(name="Skipped", message=held.message)
        raise
    with open_ledger().session() as session:  # for the figures: the backup itself is whole already
        newest_backups.keep(session, environment.name, manifest.id, manifest.began_at)
    say(f"Backup {manifest.id} of {environment.name} holds {manifest.data.key_count} keys.")
    return manifest
