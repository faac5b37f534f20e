"""A failed canary on the practice sandbox: real Terraform, real packages that really fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from blocks.environment import Environment
from blocks.settings import settings
from flows._ladder import Request
from flows._release_memory import release_history
from flows.canary_failure import recover
from ledger.database import open_ledger
from ledger.models import PlanRow, StepRow
from rules.approvals import Policy
from rules.outcomes import Ending, Outcome, Verdict
from sandbox import faults
from sandbox.places import LOCK_TABLE
from sandbox.world import Sandbox
from tests.flows.broken_canary import MOMENT, Production

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def broken_sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox after release 3 was deployed to prod and its alarms went off, kept as a moment."""
    sandbox.reset()
    sandbox.deploy("prod", 3)
    sandbox.wait_for(
        lambda: sandbox.alarm_states("prod")["prod-sentiment-service"] == "ALARM", "the alarm fires"
    )
    sandbox.keep(MOMENT)
    yield sandbox
    sandbox.reset()


@pytest.fixture
def prod(broken_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Production:
    """Prod with release 3 live and failing; releases 1 and 2 are proven in this test's own ledger."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()
    broken_sandbox.reset(MOMENT)
    production = Production.of(broken_sandbox)
    production.prove(1, 2)
    return production


def steps(outcome: Outcome) -> list[tuple[str, str, str | None]]:
    """The journal of an incident: action, subject, result."""
    with open_ledger().reading() as session:
        rows = session.scalars(
            select(StepRow).where(StepRow.incident_id == outcome.incident).order_by(StepRow.id)
        )
        return [(row.action, row.subject, row.result) for row in rows]


def with_terraform(environment: Environment, **changes: object) -> Environment:
    """The same environment with other Terraform settings."""
    terraform = environment.platform.terraform.model_copy(update=changes)
    return environment.model_copy(
        update={"platform": environment.platform.model_copy(update={"terraform": terraform})}
    )


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
    account = prod.environment.account.model_copy(update={"account_id": "999999999999"})
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
    prod.prove(3, verdict=Verdict.INCONCLUSIVE)
    if asked == "unproven":
        prod.sandbox.client("s3")
        prod.prove(1, 2, verdict=Verdict.INCONCLUSIVE)
        asked = "never-verified"
        from flows._release_memory import record

        record(prod.environment, asked, Verdict.INCONCLUSIVE, {}, "the test")
    asked = prod.sandbox.release(3) if asked == "running" else asked
    before = prod.everything()

    outcome = recover.fn(prod.environment, to_release=asked)

    assert outcome.ending is Ending.REFUSED
    assert why in outcome.reason
    assert prod.everything() == before


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


KILLED = """
import sys, yaml
from blocks.environment import Environment
from flows.canary_failure import recover
recover.fn(Environment(**yaml.safe_load(open(sys.argv[1]))))
"""


def test_it_is_taken_up_again_after_a_kill(prod: Production) -> None:
    """SIGKILL while Terraform applies: the next run waits for it, repeats nothing, and recovers to the same target."""
    versions = prod.versions()
    file = str(prod.sandbox.home.environments / "prod.yaml")
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, file], cwd=Path.cwd(), env={**os.environ, "PYTHONPATH": "."}
    )
    deadline = time.monotonic() + 90
    while not _is_applying() and time.monotonic() < deadline:
        assert child.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()

    outcome = recover.fn(prod.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert prod.runs(2)
    assert prod.lock() is None
    assert {name: count - versions[name] for name, count in prod.versions().items()} == dict.fromkeys(
        versions, 1
    )
    with open_ledger().reading() as session:
        plans = list(session.scalars(select(PlanRow)))
    assert [plan.rung for plan in plans] == ["terraform"]


def test_a_lock_of_our_own_dead_terraform_is_removed(prod: Production) -> None:
    """Terraform itself is killed while it applies: its lock is proven ours and dead, and the recovery goes on."""
    file = str(prod.sandbox.home.environments / "prod.yaml")
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, file], cwd=Path.cwd(), env={**os.environ, "PYTHONPATH": "."}
    )
    deadline = time.monotonic() + 90
    while not _has_lock_on_record() and time.monotonic() < deadline:
        assert child.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    terraform = [p for p in psutil.Process(child.pid).children() if p.cmdline()[1:2] == ["apply"]]
    child.send_signal(signal.SIGKILL)
    for process in terraform:
        process.kill()
    child.wait()
    assert prod.lock() is not None

    outcome = recover.fn(prod.environment)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert ("release_dead_lock", "changed") in {(action, result) for action, _, result in steps(outcome)}
    assert prod.runs(2)
    assert prod.lock() is None


def _has_lock_on_record() -> bool:
    """Whether the run has written down which lock its apply holds."""
    records = (settings().home / "terraform").glob("*/*/runs/*-apply.json")
    return any(json.loads(record.read_text(encoding="utf-8"))["lock"] for record in records)


def _is_applying() -> bool:
    """Whether the killed run has told the journal that it applies, and Terraform has begun to change things."""
    with open_ledger().reading() as session:
        rows = session.scalars(
            select(StepRow).where(StepRow.action == "apply_plan", StepRow.result.is_(None))
        )
        if not list(rows):
            return False
    outputs = (settings().home / "terraform").glob("*/*/runs/*-apply.output")
    return any('"apply_start"' in output.read_text(encoding="utf-8") for output in outputs)
