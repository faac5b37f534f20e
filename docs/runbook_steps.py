"""The steps of the runbooks and who does them here: `docs/runbook_<number>.yaml`, read strictly."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import model_validator

from rules.values import Frozen

RUNBOOKS = sorted(Path(__file__).parent.glob("runbook_*.yaml"))


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
        if self.test and not self.differs:
            raise ValueError("`test` shows why something `differs`")
        if self.differs and not (self.test or self.not_yet):
            raise ValueError("`differs` needs the `test` that shows why, as soon as it is done")
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


class Runbook(Frozen):
    """One runbook, by its number."""

    number: str
    sections: tuple[Section, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Of all its sections."""
        return tuple(step for section in self.sections for step in section.steps)


def read_runbooks() -> tuple[Runbook, ...]:
    """Every runbook that is mapped, its sections in the runbook's order."""
    return tuple(_read(path) for path in RUNBOOKS)


def _read(path: Path) -> Runbook:
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Runbook.model_validate({"number": path.stem.removeprefix("runbook_"), "sections": told})
