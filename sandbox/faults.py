"""Ways to break the sandbox on purpose. Each is real: the wires and the things themselves are broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from rules.errors import RecoveryRefused
from sandbox import (
    breaking,
    commits,
    damaged_data,
    failed_tests,
    github_breaking,
    kit_faults,
    stack_organ,
    unsaved,
    wires,
)
from sandbox.places import ENVIRONMENTS
from sandbox.stack.breaking import STACK_FAULTS, Break
from sandbox.stack_organ import MASKING
from sandbox.test_kit.place import QA
from sandbox.world import Sandbox

Act = Callable[[Sandbox, str], None]
"""Does it to an environment."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break the sandbox."""

    name: str
    description: str
    start: Act
    end: Act
    in_aws: bool = True
    """What it breaks is in AWS: a kept moment holds it."""
    only_in: str = ""
    """The one environment that has what it breaks; empty: whichever is named."""


def _on_stack(name: str, description: str, break_it: Break) -> Fault:
    def start(sandbox: Sandbox, environment: str) -> None:
        break_it(sandbox.stack)

    def end(sandbox: Sandbox, environment: str) -> None:
        stack_organ.set_back(sandbox.home)

    return Fault(name, description, start, end, in_aws=False, only_in=MASKING)


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(
            "bad-release",
            "Deploy release 3 with Terraform: its dashboard raises on every call.",
            breaking.deploy_bad_release,
            breaking.deploy_good_release,
        ),
        Fault(
            "half-deployed",
            "Deploy release 3 with a Terraform that fails half way: the dashboard's callers stay with release 2.",
            breaking.deploy_half,
            breaking.deploy_good_release,
        ),
        Fault(
            "failed-rollback",
            "Deploy release 3, then roll back with a Terraform that fails half way: the dashboard stays broken.",
            breaking.fail_rollback,
            breaking.deploy_good_release,
        ),
        Fault(
            "damaged-data",
            "Items of the table are changed and deleted, and others come; the table had point-in-time recovery.",
            damaged_data.damage,
            damaged_data.forget,
        ),
        Fault(
            "failed-preprod-tests",
            "The tests of a deployment failed: one found left-over items, one was throttled; items are left again.",
            failed_tests.fail_tests,
            failed_tests.forget_tests,
        ),
        Fault(
            "lost-state",
            "Terraform's state is empty, as after an apply that was killed before it wrote: everything exists.",
            breaking.lose_state,
            breaking.find_state,
        ),
        Fault(
            "unsaved-state",
            "A deployment made everything and could not save Terraform's state: it left `errored.tfstate`.",
            unsaved.leave_unsaved,
            unsaved.forget_unsaved,
        ),
        Fault(
            "wrong-configuration",
            "Somebody pushes infrastructure code that Terraform refuses: an argument that does not exist.",
            commits.push_wrong_configuration,
            commits.forget_commits,
            in_aws=False,
        ),
        Fault(
            "dashboard-code",
            "Put release 3's package into the dashboard past Terraform, whose state does not notice.",
            breaking.swap_dashboard_code,
            breaking.restore_dashboard_code,
        ),
        Fault(
            "missing-package",
            "Remove release 2's package of the dashboard from the bucket.",
            breaking.remove_package,
            breaking.restore_package,
        ),
        Fault(
            "wrong-package-bytes",
            "Replace release 2's package of the dashboard in the bucket by something else.",
            breaking.garble_package,
            breaking.restore_package,
        ),
        *(
            Fault(name, description, wires.with_rules(name, *rules), wires.without_rules(name))
            for name, (description, rules) in wires.ON_THE_WIRE.items()
        ),
        Fault(
            "held-terraform-lock",
            "Somebody's build holds the lock of the Terraform state, and nobody knows whether it lives.",
            breaking.hold_lock,
            breaking.release_lock,
        ),
        Fault(
            "abandoned-terraform-lock",
            "A Terraform of this machine died an hour ago and left its lock.",
            breaking.abandon_lock,
            breaking.release_lock,
        ),
        Fault(
            "terraform-broken",
            "Terraform cannot install its provider: every run fails before it reads anything.",
            breaking.remove_provider,
            breaking.restore_provider,
        ),
        Fault(
            "alarm-without-data",
            "The metric of the dashboard's alarm has no data: INSUFFICIENT_DATA, which is not green.",
            breaking.silence_alarm,
            breaking.unsilence_alarms,
        ),
        Fault(
            "deleted-secret",
            "The dashboard's API key is scheduled for deletion: nobody can read it any more.",
            breaking.delete_secret,
            breaking.restore_secret,
        ),
        Fault(
            "stuck-alarm",
            "An alarm fired on a metric that nobody reports any more: it keeps its last state for good.",
            breaking.stick_alarm,
            breaking.remove_stuck_alarm,
        ),
        Fault(
            "stuck-workflow",
            "A run of the deploying workflow hangs in its tests for 45 minutes and takes no order but force.",
            github_breaking.hang_run,
            github_breaking.remove_hanging_run,
        ),
        Fault(
            "failing-tests",
            "The tests of a pull request fail: one in the code, one because a secret is gone.",
            github_breaking.fail_tests,
            github_breaking.remove_failed_tests,
        ),
        Fault(
            "alarm-actions-disabled",
            "Somebody switched off what the alarms do: they fire and tell nobody.",
            breaking.disable_alarm_actions,
            breaking.enable_alarm_actions,
        ),
        Fault(
            "wrong-queue",
            "A test run publishes into the billing queue, and goes on; billing takes some of it; in qa.",
            kit_faults.publish_to_wrong_queue,
            kit_faults.forget_stray_run,
        ),
        Fault(
            "wrong-fifo-queue",
            "A test run publishes into billing's FIFO queue, between other people's messages; in qa.",
            kit_faults.publish_to_wrong_fifo,
            kit_faults.forget_stray_run,
        ),
        Fault(
            "finished-run",
            "A test run that went well left its messages and artifacts: nothing of it may be touched; in qa.",
            kit_faults.finish_a_run,
            kit_faults.forget_stray_run,
        ),
        Fault(
            "leaked-credentials",
            "A run's artifacts hold the kit's access key and personal data; they were committed; in qa.",
            kit_faults.leak_credentials,
            kit_faults.forget_leak,
        ),
        Fault(
            "hung-run",
            "A test run says and does nothing any more, is deaf to SIGTERM, and holds its lock; in qa.",
            kit_faults.hang_a_run,
            kit_faults.forget_stray_run,
        ),
        Fault(
            "production-run",
            "A test run publishes into production's queue with production's credentials, and goes on; in qa.",
            kit_faults.run_against_production,
            kit_faults.forget_stray_run,
            in_aws=False,
        ),
        Fault(
            "failed-run",
            "A test run lost a connection and failed; it published to its own queue alone; in qa.",
            kit_faults.fail_a_run,
            kit_faults.forget_stray_run,
        ),
        Fault(
            "throttled-run",
            "A test run could read its logs only in part: AWS throttled it, and goes on throttling; in qa.",
            kit_faults.throttle_a_run,
            kit_faults.forget_throttled_run,
            in_aws=False,
        ),
        *(_on_stack(name, *how) for name, how in STACK_FAULTS.items()),
    )
}
"""Every fault by name."""


def start(sandbox: Sandbox, name: str, environment: str = "prod") -> None:
    """Break something. Breaking it again changes nothing.

    Raises:
        RecoveryRefused: there is no such fault or environment.
    """
    fault = _fault(name)
    environment = fault.only_in or environment
    _known(environment)
    fault.start(sandbox, environment)
    _note(sandbox, active(sandbox) | {name: environment})


def repair(sandbox: Sandbox, name: str, environment: str = "prod") -> None:
    """Repair what a fault broke. Repairing it again changes nothing.

    Raises:
        RecoveryRefused: there is no such fault or environment.
    """
    fault = _fault(name)
    environment = fault.only_in or environment
    _known(environment)
    fault.end(sandbox, environment)
    _note(sandbox, {other: where for other, where in active(sandbox).items() if other != name})


def repair_all(sandbox: Sandbox) -> list[str]:
    """Repair everything that was broken on purpose, last broken first; their names."""
    broken = list(reversed(active(sandbox).items()))
    # What breaks the wires goes first: the others are repaired over them.
    broken.sort(key=lambda fault: fault[0] not in wires.ON_THE_WIRE)
    for name, environment in broken:
        repair(sandbox, name, environment)
    return [name for name, _ in broken]


def active(sandbox: Sandbox) -> dict[str, str]:
    """What was broken on purpose and not repaired: the environment of each, by fault, oldest first."""
    try:
        found: dict[str, str] = json.loads(sandbox.home.active_faults.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _note(sandbox: Sandbox, broken: dict[str, str]) -> None:
    sandbox.home.active_faults.write_text(json.dumps(broken), encoding="utf-8")


def _fault(name: str) -> Fault:
    if name not in FAULTS:
        raise RecoveryRefused(f"There is no fault {name!r}.", hint=f"Faults: {', '.join(FAULTS)}.")
    return FAULTS[name]


def _known(environment: str) -> None:
    known = (*ENVIRONMENTS, QA, MASKING)
    if environment not in known:
        raise RecoveryRefused(
            f"The sandbox has no environment {environment!r}.", hint=f"It has {', '.join(known)}."
        )
