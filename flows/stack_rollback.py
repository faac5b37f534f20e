"""Stack rollback: a deployment of a Docker stack went wrong, and it goes back to a backup."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Annotated

from prefect import flow
from pydantic import Field, StringConstraints

from blocks.environment import Environment
from flows import _stack_health
from flows._incident import handle
from flows._ladder import Request
from flows._stack_rungs import Wish, rollback_rung
from rules.outcomes import Outcome
from rules.promises import PROMISES

SCENARIO = "stack-rollback"
PROMISE = PROMISES[SCENARIO]
UNASKED = Request()
BackupName = Annotated[str, StringConstraints(max_length=80)]


class Scope(StrEnum):
    """How much goes back."""

    CONFIGURATION = "configuration"
    """Files and containers; of the networks those that are gone."""
    FULL = "full"
    """Networks too, where they differ."""


@flow(name="stack-rollback", flow_run_name="stack-rollback in {environment.name}")
def recover(
    environment: Environment,
    backup: Annotated[
        BackupName,
        Field(title="Backup", description="Its name; empty: the newest that was made before a deployment."),
    ] = "",
    scope: Annotated[Scope, Field(title="How much goes back")] = Scope.CONFIGURATION,
    preserve_data: Annotated[
        bool,
        Field(
            title="Keep today's data",
            description="Else the backup's data takes its place, and today's is kept beside it.",
        ),
    ] = True,
    force: Annotated[
        bool,
        Field(
            title="Force",
            description="Ask nobody, and act though checks pass. The state before is kept all the same.",
        ),
    ] = False,
    rehearse: bool = False,
    request: Request = UNASKED,
) -> Outcome:
    """Bring a Docker stack back to how a backup has it; only what differs is made again.

    1. Look: containers, Redis (a value is written, read, deleted), gateway, masking there and back, health endpoints.
    2. Choose the backup: the named one, else the newest that was made before a deployment. With data it must be proven
       by a restore; one that was never tested is tried beside the stack now. Every file is compared with its hash.
       An image that is gone, or a port that somebody holds, is named. Say what differs, and what is lost.
    3. Keep the state before as a backup of its own: going back to that one undoes all of this.
    4. Put files back; make networks that are gone; make exactly the containers again that differ, beside the old ones,
       which are only then stopped; volumes are carried over. Who needs them starts anew, in the order of Compose.
    5. Prove it: nothing differs from the backup, every container's own check passes, Redis holds what it should, an
       identifier is masked and comes back.

    `PRESERVE_DATA=false` is a «fresh start» in the runbook. An empty Redis would lose every mapping, and what was
    masked could never be unmasked. So the backup's data takes the place of today's, which is kept beside it.

    Source: runbook 004, «Rollback Procedures», «Data Protection During Rollback».
    Budget: 2 minutes.

    Args:
        environment: A Docker stack.
        backup: The name of one; empty: the newest that was made before a deployment.
        scope: `full`: networks that differ are made anew as well.
        preserve_data: Whether today's data stays in service.
        force: Ask nobody, and act though checks pass. The state before is kept all the same.
        rehearse: Only say what would be done; nothing is changed.
        request: Who asks for it and why. Every field may stay empty.
    """
    wish = Wish(backup=backup, data=not preserve_data, networks=scope is Scope.FULL)
    return handle(
        SCENARIO,
        environment,
        rehearse=rehearse,
        request=_forced(request) if force else request,
        detect=partial(_stack_health.detect, environment, PROMISE.severity),
        ladder=[rollback_rung(SCENARIO, environment, wish)],
        budget_seconds=PROMISE.seconds,
        parameters={
            "backup": backup,
            "scope": scope.value,
            "preserve_data": str(preserve_data).lower(),
            "force": str(force).lower(),
        },
    )


def _forced(request: Request) -> Request:
    reason = request.break_glass or request.reason or "a forced rollback, without a reason"
    return request.model_copy(update={"insist": True, "break_glass": reason})
