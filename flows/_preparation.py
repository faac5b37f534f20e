"""Terraform for the release that will probably be chosen, while the world is looked at and while it is chosen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from blocks.environment import Environment
from flows._release_memory import release_history
from rules.errors import NoWayBack, RecoveryRefused, StepFailed
from rules.outcomes import Finding
from rules.rollback_targets import choose
from rules.terraform_plans import TerraformPlan
from tasks.kinds import in_parallel
from tasks.repositories import commit_of
from tasks.terraform_runs import init_workspace, plan_release


def preparing(
    environment: Environment, to_release: str | None, look: Callable[[], Finding]
) -> Callable[[], Finding]:
    """The look, with Terraform made ready meanwhile: planning need not wait for it then."""

    def looked() -> Finding:
        found: list[Finding] = []
        in_parallel([lambda: found.append(look()), lambda: _prepare_likely(environment, to_release)])
        return found[0]

    return looked


def plan_ahead(environment: Environment, to_release: str | None) -> dict[str, TerraformPlan]:
    """The plan for the release that will probably be chosen, by its name; empty where none is probable.

    Where planning fails, whoever chose the release plans it again and hears why.
    """
    release, plans = _likely(environment, to_release), {}
    if release:
        with suppress(NoWayBack, RecoveryRefused, StepFailed):
            commit = commit_of(environment.lambda_platform.terraform, release)
            plans[release] = plan_release(environment, release, commit)
    return plans


def _prepare_likely(environment: Environment, to_release: str | None) -> None:
    """Check out and initialise the release that will probably be chosen; nothing but time is at stake.

    Where it fails, or another release is chosen, planning prepares that one itself and says what is wrong.
    """
    likely = _likely(environment, to_release)
    if likely:
        with suppress(NoWayBack, RecoveryRefused, StepFailed):
            init_workspace.fn(
                environment, likely, commit_of.fn(environment.lambda_platform.terraform, likely)
            )


def _likely(environment: Environment, to_release: str | None) -> str:
    """The proven release that is asked for, else the last one; empty where none is."""
    proven = choose(release_history(environment), {}).candidates
    if to_release:
        return to_release if to_release in proven else ""
    return next(iter(proven), "")
