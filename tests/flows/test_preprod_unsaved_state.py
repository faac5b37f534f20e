"""An apply that could not save its state, on real Terraform: it is saved again, and nothing is made twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from blocks.settings import settings
from flows.preprod_terraform_failure import recover
from rules.outcomes import Ending
from sandbox import breaking, faults, reading
from sandbox.aws_front import Rule, change_rules
from sandbox.places import STATE_BUCKET
from sandbox.world import Sandbox
from tests.flows.broken_canary import steps
from tests.flows.preprod_world import Preprod

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.crash, pytest.mark.timeout(240)]


def refuse_state_writes(sandbox: Sandbox, times: int | None = None) -> None:
    """The bucket refuses Terraform's next state writes."""
    rule = Rule("s3.PutObject", "error", times=times, code="AccessDenied", status=403, agent="HashiCorp")
    change_rules(sandbox.home.faults, lambda _now: [rule])


def test_a_pipelines_unsaved_state_is_saved(preprod: Preprod) -> None:
    """What the failed apply made comes back into the state from its file; nothing is planned, nothing made twice."""
    sandbox = preprod.sandbox
    faults.start(sandbox, "unsaved-state", "preprod")
    kept = sandbox.home.path / "run" / "unsaved-preprod" / "errored.tfstate"
    before, made = reading.read(sandbox.home, "preprod"), preprod.created()
    assert not preprod.clean()

    outcome = recover.fn(preprod.environment, sandbox.release(2), str(kept))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "push-state"
    assert [(action, result) for action, _, result in steps(outcome)][-1] == ("push_state", "changed")
    assert preprod.clean()
    assert preprod.created() == made
    assert reading.read(sandbox.home, "preprod").functions == before.functions
    assert kept.exists()
    assert recover.fn(preprod.environment, sandbox.release(2), str(kept)).ending is Ending.NOTHING_TO_DO


def test_an_apply_of_ours_whose_state_is_refused_once_goes_on(preprod: Preprod) -> None:
    """In mid-apply the bucket refuses the state: everything was made. The next try saves it; nothing is made twice."""
    sandbox = preprod.sandbox
    preprod.destroy()
    refuse_state_writes(sandbox, times=1)

    outcome = recover.fn(preprod.environment, sandbox.release(2))

    tried = [(action, result) for action, _, result in steps(outcome) if action == "apply_plan"]
    assert len(tried) == 2, outcome.reason
    assert tried[-1] == ("apply_plan", "changed"), outcome.reason
    assert preprod.clean()
    assert set(preprod.created().values()) >= {2}, "a function made twice would have more versions"
    assert len(preprod.created()) == 4


def test_a_run_whose_state_stays_refused_is_finished_by_the_next(preprod: Preprod) -> None:
    """No other way plans beside the unsaved state; the next run finds it, saves it, and nothing is made twice."""
    sandbox = preprod.sandbox
    faults.start(sandbox, "lost-state", "preprod")
    made = preprod.created()
    refuse_state_writes(sandbox)

    first = recover.fn(preprod.environment, sandbox.release(2))

    assert first.ending is Ending.NOT_RECOVERED, first.reason
    assert "finish: Could not save the state" in first.reason
    change_rules(sandbox.home.faults, lambda _now: [])
    second = recover.fn(preprod.environment, sandbox.release(2))
    assert second.ending is Ending.RECOVERED, second.reason
    assert second.plan
    assert second.plan.rung == "push-state"
    assert preprod.clean()
    assert preprod.created() == made
    assert not list((settings().home / "terraform").rglob("errored.tfstate"))


def test_a_state_that_somebody_overtook_is_left_alone(preprod: Preprod) -> None:
    """The pipeline deployed again meanwhile: the old file is not pushed over it, by us or by force."""
    sandbox = preprod.sandbox
    faults.start(sandbox, "unsaved-state", "preprod")
    kept = sandbox.home.path / "run" / "unsaved-preprod" / "errored.tfstate"
    sandbox.deploy("preprod", 3)
    before = preprod.saved_state()

    outcome = recover.fn(preprod.environment, sandbox.release(3), str(kept))

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert preprod.saved_state() == before


def test_where_nothing_is_saved_a_person_is_asked_about_a_given_file(preprod: Preprod) -> None:
    """With no saved state to compare with, nothing proves whose state it is: the plan needs an approval."""
    sandbox = preprod.sandbox
    faults.start(sandbox, "unsaved-state", "preprod")
    kept = sandbox.home.path / "run" / "unsaved-preprod" / "errored.tfstate"
    faults.start(sandbox, "lost-state", "preprod")

    outcome = recover.fn(preprod.environment, sandbox.release(2), str(kept), rehearse=True)

    assert outcome.ending is Ending.REHEARSED, outcome.reason
    assert outcome.plan
    assert (outcome.plan.rung, outcome.plan.destructiveness.value) == ("push-state", "disruptive")


@pytest.mark.parametrize("what", ["nothing there", "half a file", "another line of states"])
def test_a_file_that_is_not_that_state_is_never_pushed(preprod: Preprod, what: str, tmp_path: Path) -> None:
    """One clear ending, and the saved state stays as it was."""
    sandbox = preprod.sandbox
    faults.start(sandbox, "unsaved-state", "preprod")
    file = tmp_path / "errored.tfstate"
    kept = sandbox.home.path / "run" / "unsaved-preprod" / "errored.tfstate"
    if what == "half a file":
        file.write_text(kept.read_text()[:400])
    elif what == "another line of states":
        file.write_text(json.dumps({**json.loads(kept.read_text()), "lineage": "another"}))
    before = preprod.saved_state()

    outcome = recover.fn(preprod.environment, sandbox.release(2), str(file), rehearse=True)

    if what == "another line of states":
        assert outcome.plan
        assert outcome.plan.rung == "finish"
    else:
        assert outcome.ending is Ending.REFUSED, outcome.reason
        assert "not a Terraform state" in outcome.reason
    assert preprod.saved_state() == before


def test_terraform_itself_would_make_it_twice(preprod: Preprod) -> None:
    """The runbook's «re-apply» after a first deployment that could not save its state: everything exists already."""
    sandbox = preprod.sandbox
    faults.start(sandbox, "unsaved-state", "preprod")
    shutil.rmtree(sandbox.home.path / "run" / "unsaved-preprod")
    key = sandbox.place("preprod").state_key
    sandbox.client("s3").delete_object(Bucket=STATE_BUCKET, Key=key)
    breaking._forget_digest(sandbox, "preprod")
    name = sandbox.release(2)
    where = preprod.checked_out(name)

    given = ["-var-file=preprod.tfvars", f"-var=model_version={name}"]
    done = preprod.terraform(where, "apply", "-auto-approve", "-input=false", "-no-color", *given)

    assert done.returncode == 1
    assert "already exist" in done.stderr
