"""Repairing single parts of a Docker stack: what a plan changes, and in which order it is done."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from rules.plans import Change, Plan


class Part(StrEnum):
    """What a change of such a plan is about, in the order they are acted on: each needs those before it."""

    FILE = "file"
    IMAGE = "image"
    NETWORK = "network"
    CONTAINER = "container"
    LIMITS = "limits"
    MEMBERSHIP = "membership"
    RESTART = "restart"
    START = "start"


MISSING, CHANGED = "missing", "changed"
"""What a file is before it is put back."""


def of_part(plan: Plan, part: Part) -> list[str]:
    """What the plan changes of one kind: services, but for files (paths) and memberships."""
    return [change.subject for change in plan.changes if change.kind == part]


def joining(service: str, network: str) -> Change:
    """A service's containers come back into a network."""
    return Change(subject=f"{service} in {network}", before="left", after="joined", kind=Part.MEMBERSHIP)


def memberships(plan: Plan) -> list[tuple[str, str]]:
    """Which service comes back into which network."""
    pairs = (subject.partition(" in ") for subject in of_part(plan, Part.MEMBERSHIP))
    return [(service, network) for service, _, network in pairs]


def putting_back(path: str, *, missing: bool) -> Change:
    """A file becomes what the backup has."""
    before = MISSING if missing else CHANGED
    return Change(subject=path, before=before, after="as in the backup", kind=Part.FILE)


def loses_content(plan: Plan) -> bool:
    """Whether something is overwritten that nobody else has."""
    return any(change.kind == Part.FILE and change.before == CHANGED for change in plan.changes)


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """As they are acted on."""
    order = {part.value: number for number, part in enumerate(Part)}
    return tuple(sorted(changes, key=lambda change: (order[change.kind], change.subject)))
