"""The qa environment for tests of flows, and how it is read without any of Backstop's own code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import yaml
from sqlalchemy import select

from blocks.environment import Environment
from ledger.database import open_ledger
from ledger.models import StepRow
from rules.outcomes import Outcome
from sandbox import faults, kit_reading
from sandbox.kit_reading import KitReading
from sandbox.test_kit.place import KitPlace
from sandbox.world import Sandbox


@dataclass(slots=True)
class KitWorld:
    """The sandbox's qa and its environment file."""

    sandbox: Sandbox
    place: KitPlace
    environment: Environment

    @classmethod
    def of(cls, sandbox: Sandbox, place: KitPlace) -> KitWorld:
        """Qa as its environment file describes it."""
        text = (sandbox.home.environments / "qa.yaml").read_text(encoding="utf-8")
        return cls(sandbox, place, Environment(**yaml.safe_load(text)))

    def fault(self, name: str) -> None:
        """Break it."""
        faults.start(self.sandbox, name, "qa")

    def read(self) -> KitReading:
        """Everything of it, with nothing received."""
        return kit_reading.read(self.sandbox.home)

    def ids(self, queue: str) -> list[str]:
        """Ids of the messages of a queue, in its order."""
        return [message.id for message in self.place.held(queue)]

    def with_kit(self, **changes: Any) -> Environment:
        """The environment with other settings of the kit."""
        return self.environment.model_copy(
            update={"platform": self.environment.test_kit.model_copy(update=changes)}
        )


def steps(outcome: Outcome) -> Counter[tuple[str, str]]:
    """What the actions of an incident did: action and result."""
    with open_ledger().reading() as session:
        found = session.scalars(select(StepRow).where(StepRow.incident_id == outcome.incident))
        return Counter((step.action, str(step.result)) for step in found)
