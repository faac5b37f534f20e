"""Assessing a service after a deployment or a rollback that failed: it may be healthy, and not whole."""

from __future__ import annotations

from blocks.environment import Environment
from flows._release_memory import release_history
from flows._watching import detect
from rules.errors import StepFailed
from rules.health import finding, judge_terraform
from rules.outcomes import Check, Finding, Verdict
from rules.rollback_targets import judge_one_release, running_release
from rules.severity import Severity
from tasks.lambdas import all_live_code
from tasks.repositories import commit_of
from tasks.terraform_runs import drift_of


def assess(environment: Environment, severity: Severity) -> Finding:
    """Whether a service is healthy, of one release, and with nothing left to change: half of one can look well."""
    history = release_history(environment)
    live = {code.function: code.sha256 for code in all_live_code(environment)}
    checks = [*detect(environment, severity).health.checks, judge_one_release(history, live)]
    running = running_release(history, live)
    if running:
        checks.append(_terraform(environment, running))
    return finding(checks, severity)


def _terraform(environment: Environment, running: str) -> Check:
    """Whether the deployment changed more than code: the functions may be whole, and their settings not."""
    try:
        found = drift_of(environment, running, commit_of(environment.lambda_platform.terraform, running))
    except StepFailed as error:
        return Check(name="terraform", verdict=Verdict.INCONCLUSIVE, reason=error.message)
    return judge_terraform(found.exit_code, [change.address for change in found.changes], found.drift)
