"""The sandbox as a whole: it comes up, deploys, breaks, goes back and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from rules.errors import RecoveryRefused, StepFailed
from sandbox import processes, reading
from sandbox.world import Sandbox

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_two_good_releases_are_deployed_and_healthy(fresh_sandbox: Sandbox) -> None:
    """Release 2 runs in both environments, deployed by Terraform, and every check and alarm is green."""
    for environment in ("prod", "preprod"):
        found = reading.read(fresh_sandbox.home, environment)

        assert found.healthy
        assert found.releases == {fresh_sandbox.release(2)}
        assert {function.tagged_release for function in found.functions.values()} == {
            fresh_sandbox.release(2)
        }
        assert {function.memory for function in found.functions.values()} == {384}
        assert found.lock == ""


def test_the_bad_release_really_fails_and_the_target_brings_it_back(fresh_sandbox: Sandbox) -> None:
    """Release 3's dashboard fails and both alarms fire; deploying 2 again heals code, infrastructure and alarms."""
    before = reading.read(fresh_sandbox.home, "prod")
    fresh_sandbox.deploy("prod", 3)
    fresh_sandbox.wait_for(
        lambda: fresh_sandbox.alarm_states("prod")["prod-sentiment-service"] == "ALARM", "it fires"
    )

    broken = reading.read(fresh_sandbox.home, "prod")

    dashboard = broken.functions["prod-sentiment-dashboard"]
    assert not dashboard.healthy
    assert dashboard.memory == 512
    assert dashboard.served_sha256 == dashboard.code_sha256
    assert broken.functions["prod-sentiment-ingestion"].healthy
    assert broken.alarms == {
        "prod-sentiment-ingestion-errors": "OK",
        "prod-sentiment-analysis-errors": "OK",
        "prod-sentiment-dashboard-errors": "ALARM",
        "prod-sentiment-service": "ALARM",
    }

    fresh_sandbox.deploy("prod", 2)
    fresh_sandbox.wait_until_green("prod")

    after = reading.read(fresh_sandbox.home, "prod")
    assert after.healthy
    # Terraform's state counts on, and the alias names a newer version of the same code; nothing else differs.
    assert set(before.differences(after)) == {"functions.prod-sentiment-dashboard.version", "state_sha256"}


def test_a_reset_is_exact(fresh_sandbox: Sandbox) -> None:
    """Whatever was changed in AWS is as it was, and Terraform agrees that there is nothing to do."""
    before = reading.read(fresh_sandbox.home, "prod")
    fresh_sandbox.deploy("prod", 1)
    item = {"source_id": {"S": "a"}, "timestamp": {"S": "b"}}
    fresh_sandbox.client("dynamodb").put_item(TableName="prod-sentiment-items", Item=item)
    assert reading.read(fresh_sandbox.home, "prod") != before

    fresh_sandbox.reset()

    assert before.differences(reading.read(fresh_sandbox.home, "prod")) == {}
    summaries: list[str] = []
    fresh_sandbox.deploy(
        "prod", 2, lambda e: summaries.append(e["@message"]) if e["type"] == "change_summary" else None
    )
    assert summaries[0] == "Plan: 0 to add, 0 to change, 0 to destroy."


def test_a_moment_that_was_not_kept_is_refused(fresh_sandbox: Sandbox) -> None:
    """Going back to an unknown moment says so and changes nothing."""
    before = reading.read(fresh_sandbox.home, "prod")

    with pytest.raises(StepFailed, match="'never'"):
        fresh_sandbox.reset("never")

    assert reading.read(fresh_sandbox.home, "prod") == before


def test_terraform_failing_is_told_in_its_own_words(fresh_sandbox: Sandbox) -> None:
    """A release whose packages are missing fails as AWS refuses it."""
    for package in ("ingestion", "analysis", "dashboard"):
        key = f"{package}/lambda-{fresh_sandbox.release(1)}.zip"
        fresh_sandbox.client("s3").delete_object(Bucket="prod-sentiment-deployments", Key=key)

    with pytest.raises(StepFailed, match=r"updating Lambda Function \(prod-sentiment-\w+\).*NoSuchKey"):
        fresh_sandbox.deploy("prod", 1)


def test_starting_again_changes_nothing_and_loading_finds_it(fresh_sandbox: Sandbox) -> None:
    """Start is idempotent: the same processes keep running, and `load` finds them."""
    path = fresh_sandbox.home.path
    before = processes.read(fresh_sandbox.home.processes)

    again, loaded = Sandbox.start(path), Sandbox.load(path)

    assert processes.read(fresh_sandbox.home.processes) == before
    assert again.status() == loaded.status()
    assert again.status().running
    assert reading.read(again.home, "prod").healthy


def test_a_part_that_died_is_started_again(fresh_sandbox: Sandbox) -> None:
    """Killing the function host silences the service; starting again brings it back with nothing lost."""
    before = reading.read(fresh_sandbox.home, "prod")
    host = next(e for e in processes.read(fresh_sandbox.home.processes) if e.name == "function-host")
    os.kill(host.pid, signal.SIGKILL)
    fresh_sandbox.wait_for(lambda: not fresh_sandbox.status().running, "it is down")

    Sandbox.start(fresh_sandbox.home.path)

    assert fresh_sandbox.status().running
    fresh_sandbox.wait_until_green("prod")
    assert reading.read(fresh_sandbox.home, "prod") == before


def test_stopping_ends_everything_it_started(tmp_path: Path) -> None:
    """After stop none of its processes, nor their children, is left, and it says that it does not run."""
    box = Sandbox.start(tmp_path / "box")
    try:
        ours = [psutil.Process(entry.pid) for entry in processes.read(box.home.processes)]
        ours += [child for process in list(ours) for child in process.children(recursive=True)]
        assert len(ours) > 5
    finally:
        box.stop()

    _, alive = psutil.wait_procs(ours, timeout=5)
    assert alive == []
    assert not box.status().running
    with pytest.raises(RecoveryRefused, match="No sandbox runs"):
        Sandbox.load(tmp_path / "box")


def test_it_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """A sandbox started in a thread stays when the thread ends."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        box = pool.submit(Sandbox.start, tmp_path / "box").result()
    try:
        time.sleep(0.5)
        assert box.status().running
    finally:
        box.stop()


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Killing whoever started a sandbox ends the sandbox, whatever way it was killed."""
    read_end, write_end = os.pipe()
    starter = os.fork()
    if starter == 0:
        try:
            Sandbox.start(tmp_path / "box")
            os.write(write_end, b"up")
            signal.pause()
        finally:
            os._exit(1)
    os.close(write_end)
    assert os.read(read_end, 2) == b"up"
    ours = [psutil.Process(e.pid) for e in processes.read(Sandbox.load(tmp_path / "box").home.processes)]

    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)

    _, alive = psutil.wait_procs(ours, timeout=5)
    assert alive == []


def test_a_provider_without_its_terraform_ends_with_the_sandbox(tmp_path: Path) -> None:
    """A killed Terraform leaves its provider behind, as the real one does; stopping the sandbox ends it."""
    box = Sandbox.start(tmp_path / "box")
    [launcher] = (tmp_path / "box").rglob("terraform-provider-aws_v*")
    with subprocess.Popen([launcher], stdout=subprocess.PIPE, env=box.variables()) as orphan:
        assert orphan.stdout
        assert orphan.stdout.readline()  # its handshake: it serves
        forked = psutil.Process(provider_host(box).pid).children()

        box.stop()

        _, alive = psutil.wait_procs(forked, timeout=5)
        orphan.kill()
        assert forked
        assert alive == []


def provider_host(box: Sandbox) -> processes.Recorded:
    """The process that forks providers."""
    return next(e for e in processes.read(box.home.processes) if e.name == "provider-host")
