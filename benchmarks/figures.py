"""One measured figure, with what was promised about it and how busy the machine was."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Self


def load_average() -> float:
    """The machine's load average of the last minute."""
    return round(os.getloadavg()[0], 2)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, its unit, and whether it keeps its bound; `holds` is None where nothing is promised."""

    name: str
    value: float
    unit: str
    bound: str = ""
    holds: bool | None = None
    load: float = field(default_factory=load_average)

    @classmethod
    def raw(cls, name: str, value: float, unit: str) -> Self:
        """A figure that stands beside a promise, to read it by."""
        return cls(name, value, unit)

    @classmethod
    def at_most(cls, name: str, value: float, unit: str, limit: float) -> Self:
        """A figure that promises not to be above `limit`."""
        return cls(name, value, unit, f"≤ {limit:g}", value <= limit)

    @classmethod
    def at_least(cls, name: str, value: float, unit: str, limit: float) -> Self:
        """A figure that promises not to be below `limit`."""
        return cls(name, value, unit, f"≥ {limit:g}", value >= limit)

    @classmethod
    def between(cls, name: str, value: float, unit: str, low: float, high: float) -> Self:
        """A figure that promises to lie from `low` to `high`."""
        return cls(name, value, unit, f"{low:g}-{high:g}", low <= value <= high)

    @classmethod
    def exactly(cls, name: str, value: float, unit: str, wanted: float) -> Self:
        """A count that promises to be `wanted`."""
        return cls(name, value, unit, f"= {wanted:g}", value == wanted)
