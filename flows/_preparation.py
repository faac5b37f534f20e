"""Preparing Terraform for the release that will probably be chosen, while it is chosen: each takes half a second."""

from __future__ import annotations

from contextlib import suppress

from blocks.environment import Environment
from flows._release_memory import release_history
from rules.errors import NoWayBack, RecoveryRefused, StepFailed
from rules.rollback_targets import choose
from tasks.repositories import commit_of
from tasks.terraform_runs import init_workspace


def prepare_likely(environment: Environment, to_release: str | None) -> None:
    """Check out and initialise the release that is asked for, else the last proven one; nothing but time is at stake.

    Where it fails, or another release is chosen, planning prepares that one itself and says what is wrong.
    """
    likely = to_release or next(iter(choose(release_history(environment), {}).candidates), "")
    if likely:
        with suppress(NoWayBack, RecoveryRefused, StepFailed):
            init_workspace.fn(
                environment, likely, commit_of.fn(environment.lambda_platform.terraform, likely)
            )
