"""The sandbox's test kit really publishes, really writes, and really misbehaves."""

from __future__ import annotations

import json
import signal

import psutil
import pytest

from rules.errors import RecoveryRefused
from sandbox import faults, kit_faults, kit_reading, kit_runs
from sandbox.test_kit.place import BILLING, INTAKE, OTHERS, KitPlace, dead
from sandbox.test_kit.runs import LOCKED, THROTTLED
from sandbox.world import Sandbox

pytestmark = [pytest.mark.slow]


def test_a_run_publishes_and_tells_of_it(qa: KitPlace) -> None:
    """Each message in the queue has its span with the same ids; logs, report and trace are there, the lock is gone."""
    assert kit_runs.start(qa, "run-1", "--count", "13").wait(timeout=60) == 0

    folder = qa.artifacts / "run-1"
    spans = [json.loads(line) for line in (folder / "spans.jsonl").read_text().splitlines()]
    held = {m.id: m for m in qa.held(INTAKE)}
    assert {span["message_id"] for span in spans} == set(held)
    assert {span["correlation_id"] for span in spans} == {
        m.attributes["correlation_id"] for m in held.values()
    }
    assert {m.attributes["run_id"] for m in held.values()} == {"run-1"}
    assert len((folder / "logs.jsonl").read_text().splitlines()) == 400
    assert (folder / "report.md").exists()
    assert (folder / "trace.html").exists()
    assert kit_reading.read(qa.home).locks == ()


def test_a_second_run_of_the_case_is_locked_out(qa: KitPlace) -> None:
    """Two runs of one case do not mix."""
    first = kit_runs.start(qa, "run-1", "--misbehave", "hang")
    kit_runs.wait_until_published(qa, "run-1", 24)

    assert kit_runs.start(qa, "run-2").wait(timeout=30) == LOCKED

    kit_runs.end_runs(qa.home)
    first.wait(timeout=10)


@pytest.mark.parametrize("way", ["hang", "ignore-term", "fork-away", "zombie"])
def test_it_hangs_in_each_way(qa: KitPlace, qa_sandbox: Sandbox, way: str) -> None:
    """No output and no processor time; SIGTERM to its first process alone does not end what it started."""
    run = kit_runs.start(qa, "run-1", "--count", "10", "--misbehave", way)
    kit_runs.wait_until_published(qa, "run-1", 10)
    wanted = 2 if way == "zombie" else 3
    qa_sandbox.wait_for(lambda: len(kit_runs.processes_of(qa, "run-1")) >= wanted, "it has its processes")
    spans = (qa.artifacts / "run-1" / "spans.jsonl").read_text()
    assert not spans.endswith("\n")

    run.send_signal(signal.SIGTERM)
    run.wait(timeout=10)

    left = kit_runs.processes_of(qa, "run-1")
    assert left
    assert kit_reading.read(qa.home).locks == ("orders.lock",)
    kit_runs.end_runs(qa.home)
    psutil.wait_procs(left, timeout=5)
    assert kit_runs.processes_of(qa, "run-1") == []


def test_its_secrets_stand_in_its_artifacts_unless_redacted(qa: KitPlace) -> None:
    """What a scanner must find is really there."""
    kit_runs.start(qa, "run-1", "--misbehave", "secrets").wait(timeout=60)
    kit_runs.start(qa, "run-2", "--misbehave", "secrets", "--redact").wait(timeout=60)

    for file in ("spans.jsonl", "trace.html"):
        assert "hunter2-planted" in (qa.artifacts / "run-1" / file).read_text()
        assert "hunter2-planted" not in (qa.artifacts / "run-2" / file).read_text()


def test_throttled_logs_leave_half_a_result(qa: KitPlace, qa_sandbox: Sandbox) -> None:
    """The kit knows no backing off: it ends with what it has."""
    faults.start(qa_sandbox, "throttled-logs", "qa")

    assert kit_runs.start(qa, "run-1").wait(timeout=60) == THROTTLED

    assert "Rate exceeded" in (qa.artifacts / "run-1" / "report.md").read_text()
    assert len((qa.artifacts / "run-1" / "logs.jsonl").read_text().splitlines()) < 400


def test_a_wrong_queue_has_everything_a_recovery_must_tell_apart(qa: KitPlace, qa_sandbox: Sandbox) -> None:
    """Messages among other people's, some dead, some consumed; the run goes on."""
    faults.start(qa_sandbox, "wrong-queue", "qa")

    ours = [m for m in qa.held(BILLING) if m.attributes.get("run_id") == kit_faults.STRAY_RUN]
    died = [m for m in qa.held(dead(BILLING)) if m.attributes.get("run_id") == kit_faults.STRAY_RUN]
    assert len(died) == kit_faults.DEAD_LETTERS
    assert len(ours) == kit_faults.COUNT - kit_faults.CONSUMED - kit_faults.DEAD_LETTERS
    assert len(qa.held(BILLING)) == OTHERS + len(ours)
    assert all(m.visible for m in qa.held(BILLING))
    assert kit_reading.read(qa.home).alive == (kit_faults.STRAY_RUN,)


def test_its_faults_are_those_of_qa(qa_sandbox: Sandbox) -> None:
    """Nobody breaks the service with them by mistake."""
    with pytest.raises(RecoveryRefused, match="environment qa"):
        faults.start(qa_sandbox, "wrong-queue", "prod")
