"""The decision as data: what will change, from what to what, and how the end is recognised."""

from __future__ import annotations

import hashlib
import json

from rules.predictions import Prediction
from rules.severity import Destructiveness
from rules.values import Frozen


class Change(Frozen):
    """One thing that will change. `subject` names it as its own system does."""

    subject: str
    before: str
    after: str
    kind: str = "code"


class Plan(Frozen):
    """One rung of the ladder, decided: complete enough to act on after a restart.

    `reasons`, `title` and `prediction` are for people and are not part of the digest: the same decision, told
    differently, stays approved.
    """

    scenario: str
    environment: str
    rung: str
    title: str
    target: str = ""
    changes: tuple[Change, ...] = ()
    expected: tuple[str, ...] = ()
    destructiveness: Destructiveness = Destructiveness.REVERSIBLE
    facts: dict[str, str] = {}
    """What acting needs and detection found out (package hashes, commit, file names); never a secret."""
    reasons: tuple[str, ...] = ()
    prediction: Prediction | None = None
    """How long it will take; the frame fills it in when it pins the plan."""

    @property
    def work(self) -> tuple[str, ...]:
        """What kind of work it is: plans of the same rung that change the same kinds of things take about as long."""
        return (self.rung, self.destructiveness.value, *sorted({change.kind for change in self.changes}))

    @property
    def digest(self) -> str:
        """SHA-256 of everything that decides what will be done; an approval binds to it."""
        decided = self.model_dump(mode="json", exclude={"reasons", "title", "prediction"})
        return hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()
