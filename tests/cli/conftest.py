"""What the tests of the command line share: the real command, and a ledger with something in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from blocks.settings import settings
from ledger.cases import Case
from ledger.database import open_ledger
from ledger.holders import this_process
from ledger.incidents import Opening, open_case
from rules.outcomes import Phase
from rules.plans import Change, Plan

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Said:
    """What the command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Its standard output as JSON."""
        return json.loads(self.out)


Backstop = Callable[..., Said]


@pytest.fixture
def backstop(own_home: Path) -> Backstop:
    """The real command in a process of its own, on this test's own home."""

    def run(*words: str, given: str | None = None, variables: dict[str, str] | None = None) -> Said:
        done = subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", *words],
            cwd=ROOT,
            env={**os.environ, "BACKSTOP_HOME": str(own_home), **(variables or {})},
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def waiting(own_home: Path) -> Case:
    """An open incident whose pinned plan waits for people, held by this process."""
    return open_waiting()


def open_waiting(
    environment: str = "prod", release: str = "v1", reasons: Sequence[str] = ("v2 is broken",)
) -> Case:
    """Open an incident and bring it to where a person is asked."""
    opening = Opening(
        scenario="canary-failure",
        environment=environment,
        tier="production",
        budget_seconds=300.0,
        opened_by="jane",
    )
    case = open_case(open_ledger(), opening, this_process(), settings().lease_seconds)
    case.enter(Phase.DETECT)
    case.enter(Phase.DECIDE)
    case.pin(
        Plan(
            scenario="canary-failure",
            environment=environment,
            rung="terraform",
            title=f"Return to {release}",
            target=release,
            changes=(Change(subject="prod-sentiment-dashboard", before="v2", after=release),),
            reasons=tuple(reasons),
        )
    )
    case.enter(Phase.GUARD)
    case.record("guard", "one approver: it is production")
    return case
