"""Preflight: may a test run begin here? The prevention checklist, looked at instead of remembered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import flow
from prefect.context import FlowRunContext
from prefect.states import Failed

from blocks.environment import Environment
from rules.errors import StepFailed
from rules.kit_settings import (
    judge_account,
    judge_blocked,
    judge_committed,
    judge_locks,
    judge_mode,
    judge_out,
    judge_queue_setting,
    judge_redaction,
    judge_target,
)
from rules.names import RunId
from rules.outcomes import Check, Verdict, Verification
from rules.values import Frozen
from tasks.identities import who_am_i
from tasks.kinds import in_parallel, say
from tasks.kit_settings import committed_files, folder_taken, kit_place, kit_settings
from tasks.queues import queue_state
from tasks.run_leftovers import kit_locks


class Preflight(Frozen):
    """The checklist, a verdict a line."""

    environment: str
    verdict: Verdict
    verification: Verification


@flow(name="preflight", flow_run_name="preflight in {environment.name}")
def preflight(environment: Environment, next_run: RunId | None = None) -> Preflight:
    """Go through the checklist before a test run: where it would act, and what it would leave behind.

    The account by its credentials and by the kit's settings; the queue: its account, region, tier, and whether it is
    one that tests publish to; the mode; what is redacted; what git tracks; whether the next run's folder and lock are
    free. Nothing is changed. The run fails when a line does.

    Source: runbook 000, «Prevention Checklist».

    Args:
        environment: Where the test kit runs; this must be its host.
        next_run: The name of the folder that the next run is to write, for `--out`.
    """
    names, place = environment.test_kit.variables, kit_place(environment)
    settings = kit_settings(environment)
    target = settings.get(names.queue_url, "")
    lines: list[tuple[str, Callable[[], list[Check]]]] = [
        ("account", lambda: [_account(environment, settings)]),
        (names.queue_url, lambda: [judge_queue_setting(names.queue_url, target, place)]),
        ("queue", lambda: [judge_target(queue_state(environment, place.targets[0]))]),
        (
            names.blocked_accounts,
            lambda: [judge_blocked(names.blocked_accounts, settings.get(names.blocked_accounts, ""), place)],
        ),
        (names.mode, lambda: [judge_mode(names.mode, settings.get(names.mode, ""))]),
        (
            names.redact_keys,
            lambda: [judge_redaction(names.redact_keys, settings.get(names.redact_keys, ""))],
        ),
        ("git", lambda: _committed(environment)),
        ("--out", lambda: [judge_out(next_run or "", taken=_taken(environment, next_run))]),
        ("locks", lambda: [judge_locks(kit_locks(environment))]),
    ]
    checks = [
        check for found in in_parallel([_guarded(name, line) for name, line in lines]) for check in found
    ]
    for check in checks:
        say(f"{check.verdict.value}  {check.name}: {check.reason}")
    failed = any(check.verdict is Verdict.FAIL for check in checks)
    done = Preflight(
        environment=environment.name,
        verdict=Verdict.FAIL if failed else Verdict.PASS,
        verification=Verification.of(checks),
    )
    shown: Preflight = _shown(done)
    return shown


def _account(environment: Environment, settings: dict[str, str]) -> Check:
    variable = environment.test_kit.variables.account_id
    seen = who_am_i(environment).account
    return judge_account(variable, settings.get(variable, ""), seen, kit_place(environment))


def _committed(environment: Environment) -> list[Check]:
    found = committed_files(environment)
    return [judge_committed(".env", found.settings), judge_committed("artifacts", found.artifacts)]


def _taken(environment: Environment, next_run: str | None) -> bool:
    return bool(next_run and folder_taken(environment, next_run))


def _guarded(name: str, line: Callable[[], list[Check]]) -> Callable[[], list[Check]]:
    """A line that cannot be looked at fails: nobody may run on a hope. The others are looked at all the same."""

    def look() -> list[Check]:
        try:
            return line()
        except StepFailed as error:
            return [Check(name=name, verdict=Verdict.FAIL, reason=f"{error.message} {error.hint}".strip())]

    return look


def _shown(done: Preflight) -> Any:
    """In a flow run a line that fails is a failed run, so that a pipeline stops before the test."""
    if done.verdict is Verdict.PASS or FlowRunContext.get() is None:
        return done
    bad = [check for check in done.verification.checks if check.verdict is Verdict.FAIL]
    told = "; ".join(f"{check.name}: {check.reason}" for check in bad)
    return Failed(name="Do not run", message=told)
