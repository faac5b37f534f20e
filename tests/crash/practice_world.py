"""A practice of the sandbox as a world that can be broken again and again."""

from __future__ import annotations

import importlib
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from ledger.attempts import OVER
from ledger.database import forget_opened, open_ledger
from ledger.models import PlanRow, StepRow
from rules.outcomes import Outcome
from sandbox import faults
from sandbox.practice import Practice
from tests.crash import ledger_ends
from tests.crash.sweep import Start, recovered
from tests.practising import given, seen

if TYPE_CHECKING:
    from sandbox.world import Sandbox

NOT_COMPARED = ("state_sha256", "alarms", "packages")
"""Terraform counts its writes in the state; alarms have their own pace; nobody writes packages here."""


def start_practice(practice: Practice) -> Outcome:
    """Start a scenario as `backstop recover --local` does."""
    from deployments.environments import load_environment
    from flows._ladder import Request

    recover = importlib.import_module(f"flows.{practice.scenario.replace('-', '_')}").recover
    past = "nobody is there to ask" if practice.break_glass else ""
    asked = Request(requested_by="the sweep", reason="practice", break_glass=past)
    told = {"environment": load_environment(practice.environment), "request": asked, **practice.parameters}
    outcome: Outcome = recover.fn(**recover.validate_parameters(told))
    return outcome


class PracticeWorld:
    """One practice, broken once and set back to that moment before every run."""

    def __init__(self, sandbox: Sandbox, practice: Practice, home: Path, proven: Path) -> None:
        self.sandbox, self.practice, self.home, self._proven = sandbox, practice, home, proven
        sandbox.reset()
        self._moment = f"{practice.scenario}-{practice.rung}"
        # What AWS holds is kept; what is broken on this machine is repaired by every reset, and broken anew.
        first, *self._others = practice.faults
        faults.start(sandbox, first, practice.environment)
        if not faults.FAULTS[first].in_aws:
            self._others.insert(0, first)
        sandbox.keep(self._moment)

    def break_it(self) -> None:
        forget_opened()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        shutil.copy(self._proven, self.home / "ledger.db")
        self.sandbox.reset(self._moment)
        for fault in self._others:
            faults.start(self.sandbox, fault, self.practice.environment)

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        settings = {
            **self.sandbox.variables(),
            "BACKSTOP_HOME": str(self.home),
            "BACKSTOP_DELAY_SCALE": "0.5",
        }
        asked = given(self.sandbox, self.practice)
        return start_practice, (self.practice.model_copy(update={"parameters": asked}),), settings

    def ended_well(self, outcome: object) -> bool:
        return recovered(outcome)

    def state(self) -> object:
        return seen(self.sandbox, self.practice.environment, without=NOT_COMPARED)

    def twice(self) -> list[str]:
        with open_ledger(f"sqlite:///{self.home / 'ledger.db'}").reading() as session:
            # A way that fails may be tried again after a death in it; the one that recovers does everything once.
            kept = select(PlanRow.id).where(PlanRow.state.not_in(OVER))
            changed = select(StepRow).where(StepRow.result == "changed", StepRow.plan_id.in_(kept))
            done = Counter(f"{step.action} {step.subject}" for step in session.scalars(changed))
        return [effect for effect, times in done.items() if times > 1]

    def left_behind(self) -> list[str]:
        return ledger_ends.left_behind(self.home)
