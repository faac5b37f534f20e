"""What a test kit keeps out of its artifacts: the names in its `.env`."""

from __future__ import annotations

from blocks.environment import Environment
from rules.outcomes import Effect
from tasks._kit_lists import add_to_list
from tasks.kinds import action


@action(subject="{variable}")
def redact_names(environment: Environment, variable: str, names: tuple[str, ...]) -> Effect:
    """Add names to what the kit redacts; those that are there stay. Repeating it changes nothing.

    Permissions: none, it writes the kit's `.env`
    """
    return add_to_list(environment, variable, names)
