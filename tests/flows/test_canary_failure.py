"""A failed canary on the practice sandbox: real Terraform, real packages that really fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows._ladder import Request
from flows._release_memory import record, release_history
from flows.canary_failure import recover
from rules.approvals import Policy
from rules.outcomes import Ending, Verdict
from sandbox import faults
from sandbox.places import LOCK_TABLE
from sandbox.world import Sandbox
from tests.flows.broken_canary import Production, steps, with_terraform

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


def test_it_recovers_by_terraform(prod: Production) -> None:
    """The last proven release is live again with its own infrastructure code, and Terraform agrees."""
    outcome = recover.fn(prod.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "terraform"
    assert outcome.plan.target == prod.sandbox.release(2)
    assert prod.runs(2)
    assert prod.memory() == {384}
    assert prod.lock() is None
    assert outcome.verification
    assert outcome.verification.verdict is Verdict.PASS


def test_the_plan_shows_what_becomes_of_what(prod: Production) -> None:
    """Code by its hashes, infrastructure by its attributes before and after; the broken release by its name."""
    outcome = recover.fn(prod.environment, rehearse=True)

    assert outcome.plan
    changes = {change.subject: (change.before, change.after) for change in outcome.plan.changes}
    assert changes['aws_lambda_function.service["analysis"] memory_size'] == ("512", "384")
    before, after = changes["prod-sentiment-dashboard"]
    assert before == f"sha256:{prod.package_hash('prod-sentiment-dashboard', 3)[:12]}"
    assert after == f"sha256:{prod.package_hash('prod-sentiment-dashboard', 2)[:12]}"
    assert outcome.plan.facts["running"] == prod.sandbox.release(3)


def test_what_was_proven_is_remembered(prod: Production) -> None:
    """Afterwards the broken release is known as broken, and the target as proven once more."""
    recover.fn(prod.environment)

    newest = [(d.release, d.verdict) for d in release_history(prod.environment)][-2:]
    assert newest == [(prod.sandbox.release(3), Verdict.FAIL), (prod.sandbox.release(2), Verdict.PASS)]


def test_it_goes_past_terraform_when_somebody_holds_the_state(prod: Production) -> None:
    """A lock of somebody else is never removed: the code is set directly, the alias moved, the debt written down."""
    lock = {
        "ID": "0b2f6f7e-0000-4000-8000-000000000000", "Operation": "OperationTypeApply", "Version": "1.11.4",
        "Who": "runner@fv-az1", "Created": "2026-01-05T03:00:00.123456789Z", "Path": prod.sandbox.place("prod").lock_id,
    }  # fmt: skip
    item = {"LockID": {"S": prod.sandbox.place("prod").lock_id}, "Info": {"S": json.dumps(lock)}}
    prod.sandbox.client("dynamodb").put_item(TableName=LOCK_TABLE, Item=item)

    outcome = recover.fn(with_terraform(prod.environment, lock_timeout_seconds=1))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "direct"
    assert prod.runs(2)
    assert prod.lock() == item
    assert [step for step in steps(outcome) if step[0] == "move_alias"] == [
        ("move_alias", "prod-sentiment-dashboard", "changed")
    ]
    assert any("behind" in told for told in outcome.plan.expected)


def test_it_goes_past_terraform_when_there_is_none(prod: Production) -> None:
    """Without a Terraform on the host the direct way still recovers."""
    outcome = recover.fn(with_terraform(prod.environment, binary="no-such-terraform"))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "direct"
    assert prod.runs(2)


def test_there_is_nothing_to_do_in_a_healthy_production(fresh_sandbox: Sandbox, own_home: Path) -> None:
    """Every check passes, so nothing is planned and nothing is changed."""
    prod = Production.of(fresh_sandbox)
    prod.prove(1, 2)
    before = prod.everything()

    outcome = recover.fn(prod.environment)

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert outcome.plan is None
    assert prod.everything() == before


def test_a_rehearsal_changes_nothing_and_tells_what_the_real_run_does(prod: Production) -> None:
    """Its plan has the digest of the plan that the real run then acts on; AWS, state and lock stay as they were."""
    before = prod.everything()

    rehearsed = recover.fn(prod.environment, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert steps(rehearsed) == []
    assert prod.everything() == before
    real = recover.fn(prod.environment)
    assert real.plan
    assert rehearsed.plan
    assert real.plan.digest == rehearsed.plan.digest


def test_it_refuses_the_wrong_account(prod: Production) -> None:
    """Credentials of another account than the environment's: nothing is touched."""
    account = prod.environment.aws.model_copy(update={"account_id": "999999999999"})
    before = prod.everything()

    outcome = recover.fn(prod.environment.model_copy(update={"account": account}))

    assert outcome.ending is Ending.REFUSED
    assert "999999999999" in outcome.reason
    assert prod.everything() == before


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("0" * 40, "never deployed here"),
        ("running", "is running"),
        ("unproven", "never proven"),
        ("-rf", "cannot be"),
    ],
)
def test_it_refuses_a_target_nobody_should_return_to(prod: Production, asked: str, why: str) -> None:
    """Unknown, running, never proven or not even a name: one clear reason, and nothing is changed."""
    record(prod.environment, "unproven", Verdict.INCONCLUSIVE, {}, "the test")
    asked = prod.sandbox.release(3) if asked == "running" else asked
    before = prod.everything()

    outcome = recover.fn(prod.environment, to_release=asked)

    assert outcome.ending is Ending.REFUSED
    assert why in outcome.reason
    assert prod.everything() == before


def test_a_target_may_be_asked_for_by_its_short_name(prod: Production) -> None:
    """Ten digits of a commit name the release, as long as they name only one."""
    outcome = recover.fn(prod.environment, to_release=prod.sandbox.release(1)[:10], rehearse=True)

    assert outcome.plan
    assert outcome.plan.target == prod.sandbox.release(1)


def test_a_proven_release_whose_package_was_replaced_is_passed_over(prod: Production) -> None:
    """Release 2's package holds other bytes than were proven: release 1 is chosen, and the reason is told."""
    key = f"dashboard/lambda-{prod.sandbox.release(2)}.zip"
    prod.sandbox.client("s3").put_object(
        Bucket="prod-sentiment-deployments", Key=key, Body=b"not what was proven"
    )

    outcome = recover.fn(prod.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.target == prod.sandbox.release(1)
    assert prod.runs(1)
    assert any("proven was" in reason for reason in outcome.plan.reasons)


def test_it_is_not_recovered_when_the_proven_release_fails_too(prod: Production) -> None:
    """The table is gone: no release can be healthy. It says so, and holds."""
    prod.sandbox.client("dynamodb").delete_table(TableName="prod-sentiment-items")
    prod.sandbox.wait_for(
        lambda: set(prod.sandbox.alarm_states("prod").values()) == {"ALARM"}, "every alarm fires"
    )

    outcome = recover.fn(with_terraform(prod.environment, binary="no-such-terraform"), request=Request())

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "health dashboard" in outcome.reason
    assert prod.runs(2)
    assert [r.verdict for r in release_history(prod.environment)] == [Verdict.PASS, Verdict.PASS]


@pytest.mark.parametrize("way", ["terraform", "direct"])
def test_it_goes_back_where_the_state_before_was_better(fresh_sandbox: Sandbox, way: str) -> None:
    """Somebody insists on leaving a healthy release for one that turns out broken: the healthy one comes back."""
    prod = Production.of(fresh_sandbox)
    prod.prove(3, 1, 2)
    settings_of_terraform = {"binary": "no-such-terraform"} if way == "direct" else {}
    environment = with_terraform(prod.environment, **settings_of_terraform)
    environment = environment.model_copy(update={"automatic_up_to": Policy.ONE_APPROVER})

    outcome = recover.fn(environment, to_release=prod.sandbox.release(3), request=Request(insist=True))

    assert outcome.ending is Ending.NOT_RECOVERED
    assert outcome.plan
    assert outcome.plan.rung == way
    assert prod.runs(2)
    assert prod.memory() == {384}


def test_code_that_was_swapped_past_terraform_is_put_right(fresh_sandbox: Sandbox) -> None:
    """Terraform's state says all is well, so Terraform would change nothing: the direct way is taken."""
    prod = Production.of(fresh_sandbox)
    prod.prove(1, 2)
    faults.start(fresh_sandbox, "dashboard-code")
    fresh_sandbox.wait_for(
        lambda: fresh_sandbox.alarm_states("prod")["prod-sentiment-service"] == "ALARM", "the alarm fires"
    )

    outcome = recover.fn(prod.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert (outcome.plan.rung, outcome.plan.target) == ("direct", fresh_sandbox.release(2))
    assert prod.runs(2)
