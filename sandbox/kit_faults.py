"""How test runs go wrong in the qa environment, as faults of the sandbox."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from rules.errors import RecoveryRefused
from sandbox import kit_runs, wires
from sandbox.kit_reading import THROTTLED_RUN
from sandbox.test_kit import production
from sandbox.test_kit.place import (
    BILLING,
    BILLING_FIFO,
    INTAKE,
    QA,
    RUNNER,
    RUNNER_SECRET,
    KitPlace,
    write_logs,
)
from sandbox.world import Sandbox

STRAY_RUN, HUNG_RUN, GOOD_RUN, LEAKY_RUN = "run-stray", "run-hung", "run-good", "run-leaky"
THROTTLED_LOGS, FAILED_RUN, MISFIRED_RUN = "throttled-logs", "run-failed", "run-misfired"
COUNT, CONSUMED, DEAD_LETTERS = 24, 3, 2
"""Messages of the stray run; of these, taken by the queue's own consumer; failed by it until they were dead."""


def _place(sandbox: Sandbox, environment: str) -> KitPlace:
    if environment != QA:
        raise RecoveryRefused(
            f"This fault is one of the environment {QA}.", hint=f"Break it there: --environment {QA}."
        )
    return KitPlace(sandbox.home)


def publish_to_wrong_queue(sandbox: Sandbox, environment: str) -> None:
    """A run whose `.env` names the billing queue. Billing takes some of its messages before anybody notices."""
    place = _place(sandbox, environment)
    place.configure(BILLING)
    kit_runs.start(place, STRAY_RUN, "--count", str(COUNT), "--misbehave", "linger")
    kit_runs.wait_until_published(place, STRAY_RUN, COUNT)
    _consume(place, BILLING)
    place.alarm("ALARM", f"{COUNT} messages that no producer accounts for")


def publish_to_wrong_fifo(sandbox: Sandbox, environment: str) -> None:
    """The same with a FIFO queue, where nobody has consumed anything yet."""
    place = _place(sandbox, environment)
    place.configure(BILLING_FIFO)
    kit_runs.start(place, STRAY_RUN, "--count", str(COUNT), "--misbehave", "linger")
    kit_runs.wait_until_published(place, STRAY_RUN, COUNT)


def forget_stray_run(sandbox: Sandbox, environment: str) -> None:
    """End the run and point the kit at its own queue again; messages stay where they are."""
    place = _place(sandbox, environment)
    kit_runs.end_runs(place.home)
    place.configure(INTAKE)
    place.alarm("OK", "nothing but billing's own")


def finish_a_run(sandbox: Sandbox, environment: str) -> None:
    """A run that went well: its messages are where they belong."""
    place = _place(sandbox, environment)
    kit_runs.start(place, GOOD_RUN).wait(timeout=60)


def hang_a_run(sandbox: Sandbox, environment: str) -> None:
    """A run that says nothing any more, is deaf to SIGTERM, and holds its lock."""
    place = _place(sandbox, environment)
    kit_runs.start(place, HUNG_RUN, "--count", "10", "--misbehave", "ignore-term")
    kit_runs.wait_until_published(place, HUNG_RUN, 10)
    sandbox.wait_for(
        lambda: len(kit_runs.processes_of(place, HUNG_RUN)) == 3, "the run and what it started hang"
    )


def run_against_production(sandbox: Sandbox, environment: str) -> None:
    """A run with production's profile and address: it publishes there, reads a secret, tags the queue, and goes on."""
    place = _place(sandbox, environment)
    there = {"ITK_SQS_QUEUE_URL": production.url(place), **production.variables(place)}
    kit_runs.start(
        place, MISFIRED_RUN, "--count", str(COUNT), "--misbehave", "wander", case="orders", more=there
    )
    kit_runs.wait_until_published(place, MISFIRED_RUN, COUNT)
    said = place.artifacts / MISFIRED_RUN / "output.log"
    sandbox.wait_for(lambda: "waiting" in said.read_text(encoding="utf-8"), "it did all it does there")


def fail_a_run(sandbox: Sandbox, environment: str) -> None:
    """A run that lost its line: its messages are in its own queue, and it failed."""
    kit_runs.start(_place(sandbox, environment), FAILED_RUN, "--misbehave", "lose-line").wait(timeout=60)


def throttle_a_run(sandbox: Sandbox, environment: str) -> None:
    """A run that is throttled while it reads logs: it ends with half of them. AWS goes on throttling."""
    place = _place(sandbox, environment)
    write_logs(place)
    wires.with_rules(THROTTLED_RUN, *wires.ON_THE_WIRE[THROTTLED_LOGS][1])(sandbox, environment)
    kit_runs.start(place, THROTTLED_RUN, "--count", "3").wait(timeout=60)


def forget_throttled_run(sandbox: Sandbox, environment: str) -> None:
    """AWS answers again."""
    wires.without_rules(THROTTLED_RUN)(sandbox, environment)
    forget_stray_run(sandbox, environment)


def leak_credentials(sandbox: Sandbox, environment: str) -> None:
    """A run whose artifacts hold the kit's own access key and personal data; somebody committed them, too."""
    place = _place(sandbox, environment)
    key = _runner_key(place)
    leaked = {"ITK_TEST_KEY_ID": key["AccessKeyId"], "ITK_TEST_SECRET_KEY": key["SecretAccessKey"]}
    place.configure(INTAKE, ITK_REDACT_KEYS="password", **leaked)
    kit_runs.start(place, LEAKY_RUN, "--count", "6", "--misbehave", "secrets").wait(timeout=60)
    place.configure(INTAKE, ITK_REDACT_KEYS="password")
    _commit_artifacts(place)


def forget_leak(sandbox: Sandbox, environment: str) -> None:
    """No key, no artifacts, no repository."""
    place = _place(sandbox, environment)
    iam = place.client("iam")
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        for key in iam.list_access_keys(UserName=RUNNER)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=RUNNER, AccessKeyId=key["AccessKeyId"])
    for folder in (*place.artifacts.glob(f"{LEAKY_RUN}*"), place.repository):
        shutil.rmtree(folder, ignore_errors=True)
    place.configure(INTAKE)


def _runner_key(place: KitPlace) -> dict[str, str]:
    """The kit's access key, as it is in the store: its first one is made here."""
    iam, store = place.client("iam"), place.client("secretsmanager")
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName=RUNNER)
    if not iam.list_access_keys(UserName=RUNNER)["AccessKeyMetadata"]:
        made = iam.create_access_key(UserName=RUNNER)["AccessKey"]
        text = json.dumps({"AccessKeyId": made["AccessKeyId"], "SecretAccessKey": made["SecretAccessKey"]})
        try:
            store.create_secret(Name=RUNNER_SECRET, SecretString=text)
        except store.exceptions.ResourceExistsException:
            store.put_secret_value(SecretId=RUNNER_SECRET, SecretString=text)
    found: dict[str, str] = json.loads(store.get_secret_value(SecretId=RUNNER_SECRET)["SecretString"])
    return found


def _commit_artifacts(place: KitPlace) -> None:
    """Somebody commits the artifacts, and somebody else goes on."""
    shutil.rmtree(place.repository, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"

        def git(*words: str) -> None:
            who = ["-c", "user.name=Ada", "-c", "user.email=ada@kit.invalid", "-c", "commit.gpgsign=false"]
            subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)

        git("init", "--quiet", "--bare", "--initial-branch=main", str(place.repository))
        git("clone", "--quiet", str(place.repository), str(work))
        shutil.copytree(place.artifacts / LEAKY_RUN, work / "artifacts" / LEAKY_RUN)
        (work / "orders.yaml").write_text("case: orders\n", encoding="utf-8")
        for word, paths in (("Add a case", ["orders.yaml"]), ("Keep a run", ["artifacts"])):
            git("-C", str(work), "add", *paths)
            git("-C", str(work), "commit", "--quiet", "-m", word)
        git("-C", str(work), "push", "--quiet", "origin", "HEAD:main")


def _consume(place: KitPlace, queue: str) -> None:
    """The queue's own consumer: it handles some messages of the run, and fails on others until they are dead."""
    sqs, url = place.client("sqs"), place.url(queue)
    ours = [message.id for message in place.held(queue) if "run_id" in message.attributes]
    handled, failing = set(ours[:CONSUMED]), set(ours[CONSUMED : CONSUMED + DEAD_LETTERS])
    hidden: list[str] = []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        again = [message for message in batch if message["MessageId"] in failing]
        for message in batch:
            if message["MessageId"] in handled:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            elif message not in again:
                hidden.append(message["ReceiptHandle"])
        _release(place, queue, [message["ReceiptHandle"] for message in again])
    _release(place, queue, hidden)


def _release(place: KitPlace, queue: str, handles: list[str]) -> None:
    for first in range(0, len(handles), 10):
        entries = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
            for number, handle in enumerate(handles[first : first + 10])
        ]
        place.client("sqs").change_message_visibility_batch(QueueUrl=place.url(queue), Entries=entries)
