"""The recovery of a failed canary is killed half way, and taken up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from blocks.settings import settings
from flows.canary_failure import recover
from ledger.database import open_ledger
from ledger.models import PlanRow, StepRow
from rules.outcomes import Ending
from tests.flows.broken_canary import Production, steps

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.crash, pytest.mark.timeout(240)]

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
