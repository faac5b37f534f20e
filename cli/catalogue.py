"""The scenario that somebody typed."""

from __future__ import annotations

from cli.failures import WrongUsage
from cli.names import suggestion
from flows._catalogue import Scenario, scenarios

OWN_OPTIONS = {
    "environment": "--environment",
    "rehearse": "--rehearse",
    "request": "--requested-by and --reason",
}


def scenario(name: str) -> Scenario:
    """The scenario of that name; underscores count as hyphens.

    Raises:
        WrongUsage: there is none; says which is meant.
    """
    wanted = name.replace("_", "-")
    for known in scenarios():
        if known.name == wanted:
            return known
    names = [known.name for known in scenarios()]
    raise WrongUsage(
        f"There is no scenario {name[:80]!r}.{suggestion(wanted, names)}",
        hint="`backstop scenarios` lists them.",
    )
