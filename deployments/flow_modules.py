"""Which modules hold flows: the files of `flows/` whose names do not begin with an underscore."""

from __future__ import annotations

import pkgutil

import flows


def flow_modules() -> list[str]:
    """The module paths of every file in `flows/` that holds a scenario or upkeep, sorted."""
    return sorted(
        f"flows.{found.name}"
        for found in pkgutil.iter_modules(flows.__path__)
        if not found.name.startswith("_")
    )
