"""A deployment to preprod whose Terraform failed, on real Terraform: nothing that holds data is made anew."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from blocks.environment import Environment
from blocks.settings import settings
from flows._ladder import Request
from flows._release_memory import record
from flows.preprod_terraform_failure import recover
from rules.outcomes import Ending, Verdict
from sandbox import breaking, deploying, faults, reading
from sandbox.world import Sandbox
from tasks.release_packages import package_of
from tests.flows.broken_canary import steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.crash, pytest.mark.timeout(240)]

PAST = Request(requested_by="Ada", break_glass="the build host was switched off")


@pytest.fixture
def preprod(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """Preprod with release 2 live, which is proven, and an item in its table."""
    for name, value in fresh_sandbox.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()
    text = (fresh_sandbox.home.environments / "preprod.yaml").read_text(encoding="utf-8")
    environment = Environment(**yaml.safe_load(text))
    good = fresh_sandbox.release(2)
    code = {f.name: package_of(environment, f.name, good).sha256 for f in environment.platform.functions}
    record(environment, good, Verdict.PASS, code, "the test")
    item = {"source_id": {"S": "kept"}, "timestamp": {"S": "2026-01-01"}}
    fresh_sandbox.client("dynamodb").put_item(TableName=fresh_sandbox.place("preprod").table, Item=item)
    yield environment
    breaking.release_lock(fresh_sandbox, "preprod")
    fresh_sandbox.reset()


def clean(sandbox: Sandbox) -> bool:
    """Whether Terraform, run as the pipeline would, has nothing left to change for release 2."""
    folder = sandbox.home.path / "run" / "pipeline" / "preprod"
    deploying._check_out(sandbox.home, sandbox.release(2), folder)
    where = folder / "infrastructure"
    variables = os.environ | sandbox.variables() | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    init = [sandbox.terraform, "init", "-input=false", "-backend-config=backend-preprod.hcl"]
    subprocess.run(init, cwd=where, env=variables, check=True, capture_output=True)
    given = ["-var-file=preprod.tfvars", f"-var=model_version={sandbox.release(2)}"]
    plan = [sandbox.terraform, "plan", "-input=false", "-detailed-exitcode", *given]
    return subprocess.run(plan, cwd=where, env=variables, check=False, capture_output=True).returncode == 0


def test_what_exists_comes_back_into_the_state(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """Everything is imported in one planned apply, nothing is made anew, and there are no changes left."""
    before = reading.read(fresh_sandbox.home, "preprod")
    faults.start(fresh_sandbox, "lost-state", "preprod")
    assert not clean(fresh_sandbox)

    outcome = recover.fn(preprod, fresh_sandbox.release(2))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    imported = {change.subject for change in outcome.plan.changes if change.kind == "terraform import"}
    assert {"aws_dynamodb_table.items", 'aws_lambda_function.service["dashboard"]'} <= imported
    assert clean(fresh_sandbox)
    after = reading.read(fresh_sandbox.home, "preprod")
    assert (after.items, after.secret_version) == (before.items, before.secret_version)
    assert after.releases == {fresh_sandbox.release(2)}
    assert ("apply_plan", "changed") in {(action, result) for action, _, result in steps(outcome)}


def test_a_rehearsal_changes_nothing_and_tells_what_the_real_run_does(
    preprod: Environment, fresh_sandbox: Sandbox
) -> None:
    """The rehearsed plan has the digest of the one that is then applied."""
    faults.start(fresh_sandbox, "lost-state", "preprod")
    good = fresh_sandbox.release(2)

    rehearsed = recover.fn(preprod, good, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert steps(rehearsed) == []
    assert not clean(fresh_sandbox)
    real = recover.fn(preprod, good)
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_an_apply_that_was_killed_is_unlocked_and_finished(
    preprod: Environment, fresh_sandbox: Sandbox
) -> None:
    """Terraform dies by SIGKILL while it changes things, with its lock held: unlocked by its id, then finished."""
    good = fresh_sandbox.release(2)
    fresh_sandbox.deploy("preprod", 1)
    folder = fresh_sandbox.home.path / "run" / "pipeline" / "preprod"
    deploying._check_out(fresh_sandbox.home, good, folder)
    where = folder / "infrastructure"
    variables = os.environ | fresh_sandbox.variables() | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    init = [fresh_sandbox.terraform, "init", "-input=false", "-backend-config=backend-preprod.hcl"]
    subprocess.run(init, cwd=where, env=variables, check=True, capture_output=True)
    faults.start(fresh_sandbox, "slow-aws")
    apply = [fresh_sandbox.terraform, "apply", "-auto-approve", "-input=false", "-json"]
    output = where / "apply.output"
    with output.open("w") as told:
        killed = subprocess.Popen(
            [*apply, "-var-file=preprod.tfvars", f"-var=model_version={good}"],
            cwd=where,
            env=variables,
            stdout=told,
            start_new_session=True,
        )
    deadline = time.monotonic() + 60
    while '"apply_start"' not in output.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    faults.repair(fresh_sandbox, "slow-aws")
    assert reading.read(fresh_sandbox.home, "preprod").lock

    outcome = recover.fn(preprod, good, request=PAST)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert ("remove_lock", "changed") in {(action, result) for action, _, result in steps(outcome)}
    assert reading.read(fresh_sandbox.home, "preprod").lock == ""
    assert reading.read(fresh_sandbox.home, "preprod").releases == {good}
    assert clean(fresh_sandbox)


def test_a_release_that_does_not_work_is_not_kept(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """Finishing it shows that it fails; preprod then returns to the last proven release."""
    breaking.deploy_half(fresh_sandbox, "preprod")

    outcome = recover.fn(preprod, fresh_sandbox.release(3))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "terraform"
    assert reading.read(fresh_sandbox.home, "preprod").releases == {fresh_sandbox.release(2)}
    assert clean(fresh_sandbox)


def test_there_is_nothing_to_do_where_all_is_deployed(preprod: Environment, fresh_sandbox: Sandbox) -> None:
    """No changes, no drift, no lock."""
    outcome = recover.fn(preprod, fresh_sandbox.release(2))

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert steps(outcome) == []


def test_a_release_that_is_not_in_git_is_refused(preprod: Environment) -> None:
    """One clear error, and nothing is changed."""
    outcome = recover.fn(preprod, "no-such-release")

    assert outcome.ending is Ending.REFUSED
    assert "no-such-release" in outcome.reason
