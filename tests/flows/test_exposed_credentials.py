"""Credentials in the artifacts of a test run: they are dead before anything is deleted, and nothing is lost."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from blocks.settings import settings
from flows.exposed_credentials import recover
from ledger.database import open_ledger
from ledger.models import PlanRow, StepRow, TimelineRow
from rules.exposed_secrets import key_reference
from rules.outcomes import Ending
from sandbox import wires
from sandbox.aws_front import Rule
from sandbox.kit_faults import LEAKY_RUN
from sandbox.places import ROLE
from sandbox.test_kit.place import RUNNER, RUNNER_SECRET, KitPlace
from sandbox.world import Sandbox
from tasks.evidence import take_out
from tasks.function_restarts import VARIABLE
from tests.flows.kit_world import KitWorld, steps
from tests.tasks.lambda_service import packaged

pytestmark = [pytest.mark.slow]

AGAIN = f"{LEAKY_RUN}-redacted"


@pytest.fixture
def world(qa: KitPlace, qa_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa with a run that leaked the kit's access key; waits are short."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    found = KitWorld.of(qa_sandbox, qa)
    found.fault("leaked-credentials")
    return found


def stored(world: KitWorld) -> dict[str, str]:
    """The key in the store."""
    store = world.place.client("secretsmanager")
    found: dict[str, str] = json.loads(
        store.get_secret_value(SecretId=RUNNER_SECRET, VersionStage="AWSCURRENT")["SecretString"]
    )
    return found


def opens(world: KitWorld, key: dict[str, str]) -> bool:
    """Whether AWS takes a key, asked as its owner would."""
    from botocore.exceptions import ClientError
    from botocore.session import Session

    client: Any = Session().create_client(
        "sts",
        region_name="us-east-1",
        endpoint_url=world.sandbox.home.addresses().aws_url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    try:
        client.get_caller_identity()
    except ClientError:
        return False
    return True


def everything(world: KitWorld, **more: Any) -> dict[str, Any]:
    """The form, filled in."""
    return {
        "secret": RUNNER_SECRET,
        "repository": str(world.place.repository),
        "others_revoked": True,
        **more,
    }


def test_the_leak_is_ended(world: KitWorld, caplog: pytest.LogCaptureFixture) -> None:
    """The old key is dead, a new one works from the store, artifacts are gone, kept, and the next run's are clean."""
    old, innocent = stored(world), world.read().queues
    leaked = (world.place.artifacts / LEAKY_RUN / "spans.jsonl").read_bytes()

    with caplog.at_level(logging.INFO):
        outcome = recover.fn(world.environment, **everything(world))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert not opens(world, old)
    assert opens(world, stored(world))
    now = world.read()
    assert now.keys == ("Active", "Inactive")
    assert now.runs == (AGAIN,)
    assert "aws_secret_access_key" in now.redacted
    assert "AKIA" not in (world.place.artifacts / AGAIN / "spans.jsonl").read_text()
    assert {name: held for name, held in now.queues.items() if "billing" in name} == {
        name: held for name, held in innocent.items() if "billing" in name
    }
    for path in world.place.copies.rglob("*.evidence"):
        assert old["SecretAccessKey"].encode() not in path.read_bytes()
    take_out(world.environment, LEAKY_RUN, own := world.sandbox.home.path / "taken-out")
    assert (own / "spans.jsonl").read_bytes() == leaked
    shutil.rmtree(own)
    with open_ledger().reading() as session:
        told = [f"{row.text} {row.data}" for row in session.query(TimelineRow)]
        told += [str(row.__dict__) for row in (*session.query(PlanRow), *session.query(StepRow))]
        proven = session.query(StepRow).filter_by(action="prove_dead").one()
    assert "s after the incident was opened" in str(proven.effect)
    for secret in (*old.values(), *stored(world).values()):
        assert secret not in caplog.text + outcome.model_dump_json() + "".join(told)


def test_what_is_done_is_not_done_again(world: KitWorld) -> None:
    """A second recovery of the same run finds its evidence, and nothing to do."""
    assert recover.fn(world.environment, **everything(world)).ending is Ending.RECOVERED
    before = world.read()

    again = recover.fn(world.environment, **everything(world, run=LEAKY_RUN))

    assert again.ending is Ending.NOTHING_TO_DO, again.reason
    assert world.read() == before


def test_the_history_is_cleaned_on_a_branch(world: KitWorld) -> None:
    """What was committed is in no commit of the new branch; the repository's own branch is as it was."""
    old = stored(world)

    def history(branch: str) -> str:
        words = ["git", "-C", str(world.place.repository), "log", "-p", "--format=%H %s", branch]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    before = history("main")
    assert old["SecretAccessKey"] in before

    outcome = recover.fn(world.environment, **everything(world))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    [main, cleaned] = sorted(world.read().branches, key=len)
    assert main == "main"
    assert history("main") == before
    told = history(cleaned)
    assert [name for name, secret in old.items() if secret in told] == []
    assert "Add a case" in history(cleaned)


def test_a_rehearsal_changes_nothing(world: KitWorld) -> None:
    """Nothing is deactivated, kept or deleted; the plan is the one that is then acted on."""
    before = world.read()

    rehearsed = recover.fn(world.environment, **everything(world), rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    assert world.read() == before
    real = recover.fn(world.environment, **everything(world))
    assert rehearsed.plan
    assert real.plan
    assert rehearsed.plan.digest == real.plan.digest


def test_a_clean_run_is_left_alone(world: KitWorld) -> None:
    """Nothing to do, for a run without credentials."""
    world.fault("finished-run")
    before = world.read()

    outcome = recover.fn(world.environment, run="run-good", secret=RUNNER_SECRET)

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert world.read() == before


def test_what_a_person_has_to_revoke_keeps_it_open(world: KitWorld) -> None:
    """The password in the artifacts still opens something: the incident does not call itself recovered."""
    outcome = recover.fn(world.environment, **everything(world, others_revoked=False))

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "password – change it" in outcome.reason
    assert world.read().runs == (AGAIN,)


def test_a_lost_answer_leaves_no_second_key(world: KitWorld) -> None:
    """IAM made the key and its answer was lost: that key is deleted, and the one in the store is another."""
    old = stored(world)
    wires.with_rules("lost", Rule(call="iam.CreateAccessKey", kind="lose-reply", times=1))(
        world.sandbox, "qa"
    )
    try:
        outcome = recover.fn(world.environment, **everything(world))
    finally:
        wires.without_rules("lost")(world.sandbox, "qa")

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    keys = world.place.client("iam").list_access_keys(UserName=RUNNER)["AccessKeyMetadata"]
    assert {key["AccessKeyId"] for key in keys} <= {old["AccessKeyId"], stored(world)["AccessKeyId"]}
    assert opens(world, stored(world))


def test_what_uses_the_key_begins_anew(world: KitWorld) -> None:
    """A function that reads the key when it starts is restarted for the new one, after it is in the store."""
    client = world.place.client("lambda")
    client.create_function(
        FunctionName="qa-orders-consumer", Runtime="python3.11", Role=ROLE, Handler="app.handler",
        Code={"ZipFile": packaged("1")}, Environment={"Variables": {"STAGE": "qa"}},
    )  # fmt: skip

    outcome = recover.fn(world.environment, **everything(world, functions=["qa-orders-consumer"]))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    told = client.get_function_configuration(FunctionName="qa-orders-consumer")["Environment"]["Variables"]
    assert told == {"STAGE": "qa", VARIABLE: key_reference(stored(world)["AccessKeyId"])}
    client.delete_function(FunctionName="qa-orders-consumer")


def test_two_keys_in_use_leave_no_room(world: KitWorld) -> None:
    """A third is not allowed: the exposed one, which is dead by then, makes room; the other is not touched."""
    other = world.place.client("iam").create_access_key(UserName=RUNNER)["AccessKey"]

    outcome = recover.fn(world.environment, **everything(world))

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    keys = world.place.client("iam").list_access_keys(UserName=RUNNER)["AccessKeyMetadata"]
    assert {key["AccessKeyId"] for key in keys} == {other["AccessKeyId"], stored(world)["AccessKeyId"]}
    assert opens(world, other)


def test_a_key_that_stays_alive_stops_the_deletion(world: KitWorld) -> None:
    """Where AWS goes on accepting the key, nothing is deleted, and a person is paged."""
    rule = Rule(call="iam.UpdateAccessKey", kind="error", code="AccessDenied", status=403, message="no")
    wires.with_rules("denied", rule)(world.sandbox, "qa")
    try:
        outcome = recover.fn(world.environment, **everything(world))
    finally:
        wires.without_rules("denied")(world.sandbox, "qa")

    assert outcome.ending is Ending.NOT_RECOVERED
    assert (world.place.artifacts / LEAKY_RUN / "spans.jsonl").exists()
    assert ("delete_artifacts", "changed") not in steps(outcome)
    assert opens(world, stored(world))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("full", ["where it is drafted", "where it is kept"])
def test_a_full_disk_keeps_no_key_alive(world: KitWorld, own_home: Path, full: str) -> None:
    """No room for the evidence: nothing is deleted, the error names the place, and the key is dead all the same."""
    old, place = stored(world), own_home / "evidence" if full == "where it is drafted" else world.place.copies
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(place)], check=True)
    try:
        outcome = recover.fn(world.environment, **everything(world))
    finally:
        subprocess.run(["umount", str(place)], check=True)

    assert outcome.ending is Ending.NOT_RECOVERED
    assert "No space left" in outcome.reason
    assert str(place) in outcome.reason
    assert (world.place.artifacts / LEAKY_RUN / "spans.jsonl").exists()
    assert not opens(world, old)


def test_the_runbooks_order_leaves_the_key_alive(world: KitWorld) -> None:
    """Deleting first, as the runbook says, destroys the evidence while the key goes on opening everything."""
    old = stored(world)

    shutil.rmtree(world.place.artifacts / LEAKY_RUN)

    assert opens(world, old)
    assert world.read().keys == ("Active",)
    outcome = recover.fn(world.environment, run=LEAKY_RUN, secret=RUNNER_SECRET)
    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert world.read().keys == ("Active",)
