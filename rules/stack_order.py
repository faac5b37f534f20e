"""In which order the services of a stack start, which of them go along with others, and which volumes do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rules.stack_states import ContainerState, Mount, StackState


def dependents(state: StackState, moved: Iterable[str], order: Sequence[str] = ()) -> list[str]:
    """The services that need one of these, directly or not: they know addresses that are no more.

    One that moved itself is among them if it needs another that did, as where a whole network was made anew. `order`
    decides where nothing was written down about it, as by Compose v1: each may know those before it.
    """
    needs, reached, found = _needs(state), set(moved), set[str]()
    if not any(needs.values()):
        needs = {name: {*order[: order.index(name)]} for name in needs if name in order}
    while more := {name for name, needed in needs.items() if needed & reached} - found:
        found |= more
        reached |= more
    return sorted(found)


def _needs(state: StackState) -> dict[str, set[str]]:
    services = sorted({each.service for each in state.containers})
    return {
        name: {need for each in state.of(name) for need in each.needs} & set(services) for name in services
    }


def sharing(state: StackState, services: Iterable[str]) -> list[str]:
    """The services that live in the network or among the processes of one of these: they end with it."""
    names = {each.name for service in services for each in state.of(service)}
    return sorted({each.service for each in state.containers if each.lives_in & names})


def levels(state: StackState, order: Sequence[str]) -> list[list[str]]:
    """The services in the order they start: each level needs only those before it.

    `order` decides where nothing was written down about it, as by Compose v1; a circle ends the ordering.
    """
    left = _needs(state)
    told = any(left.values())
    for host in list(left):
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
