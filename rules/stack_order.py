"""In which order the services of a stack start, which of them go along with others, and which volumes do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rules.stack_states import ContainerState, Mount, StackState


def dependents(state: StackState, services: Iterable[str]) -> list[str]:
    """The services that need one of these, directly or not, without these: they know addresses that are no more."""
    changed, grown = set(services), True
    reached = set(changed)
    while grown:
        more = {each.service for each in state.containers if reached & set(each.needs)} - reached
        reached, grown = reached | more, bool(more)
    return sorted(reached - changed)


def sharing(state: StackState, services: Iterable[str]) -> list[str]:
    """The services that live in the network or among the processes of one of these: they end with it."""
    names = {each.name for service in services for each in state.of(service)}
    return sorted({each.service for each in state.containers if each.lives_in & names})


def levels(state: StackState, order: Sequence[str]) -> list[list[str]]:
    """The services in the order they start: each level needs only those before it.

    `order` decides where nothing was written down about it, as by Compose v1; a circle ends the ordering.
    """
    services = sorted({each.service for each in state.containers})
    left = {
        name: {need for each in state.of(name) for need in each.needs} & set(services) for name in services
    }
    told = any(left.values())
    for host in services:
        for guest in sharing(state, [host]):
            left[guest] |= {host} - {guest}
    if not told:
        named = [name for name in order if name in left]
        return [[name] for name in named] + [rest for rest in [sorted(left.keys() - set(named))] if rest]
    found: list[list[str]] = []
    while left:
        ready = sorted(name for name, needs in left.items() if not needs & left.keys()) or sorted(left)
        found.append(ready)
        left = {name: needs for name, needs in left.items() if name not in ready}
    return found


def carried(kept: Sequence[ContainerState], wanted: ContainerState) -> dict[str, str]:
    """The volumes without a name that a container made again must mount: its data is in them, by destination.

    `kept` are the states the container may be found in, the best first: what is mounted now, then what was backed up.
    """
    return {
        mount.destination: there.source
        for mount in wanted.mounts
        if mount.nameless
        for there in _first_of(kept, wanted, mount)
    }


def _first_of(kept: Sequence[ContainerState], wanted: ContainerState, mount: Mount) -> list[Mount]:
    found = [
        there
        for each in kept
        if each.service == wanted.service
        for there in each.mounts
        if there.destination == mount.destination and there.kind == "volume"
    ]
    return found[:1]
