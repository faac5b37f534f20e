"""What the tests of the command line share: the real command, and a ledger with something in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest

from blocks.settings import settings
from cli import printing
from cli.main import main
from ledger.cases import Case
from ledger.database import forget_opened, open_ledger
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
def backstop(own_home: Path, tmp_path: Path) -> Backstop:
    """The command in a fork of this process, where everything is imported already: its own argv, streams and exit."""

    def run(*words: str) -> Said:
        out, err = tmp_path / "out.txt", tmp_path / "err.txt"
        with out.open("w") as said, err.open("w") as complained:
            pid = os.fork()
            if pid == 0:
                _become_the_command(words, said, complained)
            _, status = os.waitpid(pid, 0)
        return Said(os.waitstatus_to_exitcode(status), out.read_text(), err.read_text())

    return run


def _become_the_command(words: Sequence[str], said: IO[str], complained: IO[str]) -> NoReturn:
    code = 99
    try:
        forget_opened()
        printing.console.cache_clear()
        sys.argv = ["backstop", *words]
        sys.stdin, sys.stdout, sys.stderr = open(os.devnull), said, complained  # noqa: PTH123, SIM115 - as the interpreter has it
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 98
    finally:
        said.flush()
        complained.flush()
        os._exit(code)


@pytest.fixture
def installed_backstop(own_home: Path) -> Backstop:
    """The command as people call it, in a process of its own."""

    def run(*words: str) -> Said:
        done = subprocess.run(
            [Path(sys.executable).parent / "backstop", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
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
