"""A deployment to preprod whose Terraform failed, on real Terraform: nothing that holds data is made anew."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from flows._ladder import Request
from flows.preprod_terraform_failure import recover
from rules.outcomes import Ending
from sandbox import breaking, faults, reading
from tests.flows.broken_canary import steps
from tests.flows.preprod_world import Preprod

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.crash, pytest.mark.timeout(240)]

PAST = Request(requested_by="Ada", break_glass="the build host was switched off")


def test_what_exists_comes_back_into_the_state(preprod: Preprod) -> None:
    """Everything is imported in one planned apply, nothing is made anew, and there are no changes left."""
    before = reading.read(preprod.sandbox.home, "preprod")
    faults.start(preprod.sandbox, "lost-state", "preprod")
    assert not preprod.clean()

    outcome = recover.fn(preprod.environment, preprod.sandbox.release(2))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    imported = {change.subject for change in outcome.plan.changes if change.kind == "terraform import"}
    assert {"aws_dynamodb_table.items", 'aws_lambda_function.service["dashboard"]'} <= imported
    assert preprod.clean()
    after = reading.read(preprod.sandbox.home, "preprod")
    assert (after.items, after.secret_version) == (before.items, before.secret_version)
    assert after.releases == {preprod.sandbox.release(2)}
    assert ("apply_plan", "changed") in {(action, result) for action, _, result in steps(outcome)}


def test_a_rehearsal_changes_nothing_and_tells_what_the_real_run_does(preprod: Preprod) -> None:
    """The rehearsed plan has the digest of the one that is then applied."""
    faults.start(preprod.sandbox, "lost-state", "preprod")
    good = preprod.sandbox.release(2)

    rehearsed = recover.fn(preprod.environment, good, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert steps(rehearsed) == []
    assert not preprod.clean()
    real = recover.fn(preprod.environment, good)
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_an_apply_that_was_killed_is_unlocked_and_finished(preprod: Preprod) -> None:
    """Terraform dies by SIGKILL while it changes things, with its lock held: unlocked by its id, then finished."""
    good = preprod.sandbox.release(2)
    preprod.sandbox.deploy("preprod", 1)
    where = preprod.checked_out(good)
    faults.start(preprod.sandbox, "slow-aws")
    apply = [preprod.sandbox.terraform, "apply", "-auto-approve", "-input=false", "-json"]
    output = where / "apply.output"
    with output.open("w") as told:
        killed = subprocess.Popen(
            [*apply, "-var-file=preprod.tfvars", f"-var=model_version={good}"],
            cwd=where,
            env=preprod.variables(),
            stdout=told,
            start_new_session=True,
        )
    deadline = time.monotonic() + 60
    while '"apply_start"' not in output.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    faults.repair(preprod.sandbox, "slow-aws")
    assert reading.read(preprod.sandbox.home, "preprod").lock

    outcome = recover.fn(preprod.environment, good, request=PAST)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert ("remove_lock", "changed") in {(action, result) for action, _, result in steps(outcome)}
    assert reading.read(preprod.sandbox.home, "preprod").lock == ""
    assert reading.read(preprod.sandbox.home, "preprod").releases == {good}
    assert preprod.clean()


def test_a_release_that_does_not_work_is_not_kept(preprod: Preprod) -> None:
    """Finishing it shows that it fails; preprod then returns to the last proven release."""
    breaking.deploy_half(preprod.sandbox, "preprod")

    outcome = recover.fn(preprod.environment, preprod.sandbox.release(3))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "terraform"
    assert reading.read(preprod.sandbox.home, "preprod").releases == {preprod.sandbox.release(2)}
    assert preprod.clean()


def test_there_is_nothing_to_do_where_all_is_deployed(preprod: Preprod) -> None:
    """No changes, no drift, no lock."""
    outcome = recover.fn(preprod.environment, preprod.sandbox.release(2))

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert steps(outcome) == []


def test_a_release_that_is_not_in_git_is_refused(preprod: Preprod) -> None:
    """One clear error, and nothing is changed."""
    outcome = recover.fn(preprod.environment, "no-such-release")

    assert outcome.ending is Ending.REFUSED
    assert "no-such-release" in outcome.reason
