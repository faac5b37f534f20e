"""The steps of a runbook and who does them here: `docs/runbook_001.yaml`, read strictly."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import model_validator

from rules.values import Frozen

RUNBOOK = Path(__file__).parent / "runbook_001.yaml"


class By(Frozen):
    """What does a step: a flow, or one rung of its ladder, or one task that it reaches."""

    flow: str
    rung: str = ""
    task: str = ""

    def __str__(self) -> str:
        part = f", rung {self.rung}" if self.rung else f", `{self.task}`" if self.task else ""
        return f"`{self.flow}`{part}"


class Step(Frozen):
    """One step: done by something, not done yet, or left to people for a reason."""

    says: str
    by: tuple[By, ...] = ()
    not_yet: By | None = None
    reason: str = ""
    differs: str = ""
    test: str = ""

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Step:
        if sum((bool(self.by), self.not_yet is not None, bool(self.reason))) != 1:
            raise ValueError("a step has exactly one of `by`, `not_yet` and `reason`")
        if bool(self.differs) != bool(self.test):
            raise ValueError("`differs` needs the `test` that shows why, and the other way round")
        return self

    @property
    def answer(self) -> str:
        """Who does it, or why nobody."""
        if self.not_yet:
            return f"not yet: {self.not_yet}"
        return "; ".join(map(str, self.by)) or f"not done: {self.reason}"


class Section(Frozen):
    """A part of the runbook."""

    section: str
    steps: tuple[Step, ...]


def read_steps(path: Path = RUNBOOK) -> tuple[Section, ...]:
    """Every section, in the runbook's order."""
    return tuple(Section.model_validate(told) for told in yaml.safe_load(path.read_text(encoding="utf-8")))
