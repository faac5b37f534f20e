"""What differs between a stack as it is and as a backup has it, so that only that is made again.

Values of environments and labels are never told: they may be secrets. Names are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from rules.stack_states import COMPOSE, ContainerState, Json, Mount, NetworkState, StackState

_OF_THE_CONTAINER = {"Hostname", "Domainname", "Image", "Volumes", "Env", "Labels", "OnBuild", "MacAddress"}
"""Compared apart, or different in every container."""
_OF_THE_HOST = {"Binds", "Mounts", "ContainerIDFile", "ConsoleSize", "VolumesFrom"}
"""Mounts are compared as the engine sees them, and not as they were asked for."""
_VOLATILE = {f"{COMPOSE}.replace", f"{COMPOSE}.image", f"{COMPOSE}.version"}
"""Labels that Compose writes anew without anything being different."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as the backup has it. Values are empty where they may be secret."""

    what: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.before} instead of {self.after}" if self.after else self.what


@dataclass(frozen=True, slots=True)
class Differences:
    """What has to be done for a stack to be as the backup has it, by service or network."""

    recreate: dict[str, tuple[Difference, ...]]
    """Services whose containers are not as they were, or not there."""
    join: dict[str, tuple[str, ...]]
    """Networks that a service's containers have left, or know under an identity that is no more."""
    networks: dict[str, tuple[Difference, ...]]
    """The project's networks that are not as they were, or not there."""
    surplus: tuple[str, ...]
    """Services that the backup does not know."""

    def __bool__(self) -> bool:
        return bool(self.recreate or self.join or self.networks or self.surplus)


def compare(live: StackState, wanted: StackState) -> Differences:
    """Everything in which the live stack is not as wanted; whether containers run is not looked at."""
    services = sorted({each.service for each in wanted.containers})
    networks = {each.name: each for each in live.networks}
    return Differences(
        recreate={name: told for name in services if (told := _service(live.of(name), wanted.of(name)))},
        join={name: left for name in services if (left := _left(live.of(name), wanted.of(name), networks))},
        networks={
            each.name: told
            for each in wanted.networks
            if each.ours and (told := compare_network(networks.get(each.name), each))
        },
        surplus=tuple(sorted({each.service for each in live.containers} - set(services))),
    )


def compare_container(live: ContainerState, wanted: ContainerState) -> tuple[Difference, ...]:
    """What of one container is not as wanted; which networks it is in is not looked at."""
    found = []
    if live.image != wanted.image:
        found.append(Difference("image", _image(live), _image(wanted)))
    found += _named("environment", _environment(live), _environment(wanted))
    found += _named("label", _labels(live), _labels(wanted))
    found += _settings(live.config, wanted.config, _OF_THE_CONTAINER)
    found += _settings(live.host, wanted.host, _OF_THE_HOST)
    found += _mounts(live.mounts, wanted.mounts)
    return tuple(found)


def compare_network(live: NetworkState | None, wanted: NetworkState) -> tuple[Difference, ...]:
    """What of one network is not as wanted; who is in it is not looked at."""
    if live is None:
        return (Difference("there is no such network", "none", wanted.name),)
    told = [] if live.driver == wanted.driver else [Difference("driver", live.driver, wanted.driver)]
    here = {name: value for name, value in live.settings.items() if name != "Labels"}
    return (*told, *_settings(here, wanted.settings, {"Labels"}))


def _service(live: Sequence[ContainerState], wanted: Sequence[ContainerState]) -> tuple[Difference, ...]:
    there = {each.name: each for each in live}
    found: list[Difference] = []
    for each in wanted:
        if each.name in there:
            found += compare_container(there[each.name], each)
        else:
            found.append(Difference("there is no such container", "none", each.name))
    strange = sorted(there.keys() - {each.name for each in wanted})
    return (*found, *(Difference("one container too many", name) for name in strange))


def _left(
    live: Sequence[ContainerState], wanted: Sequence[ContainerState], networks: Mapping[str, NetworkState]
) -> tuple[str, ...]:
    there = {each.name: each for each in live}
    return tuple(
        sorted(
            {
                name
                for each in wanted
                if each.name in there
                for name, settings in each.networks.items()
                if not _is_in(there[each.name], name, settings, networks)
            }
        )
    )


def _is_in(
    container: ContainerState, name: str, settings: Json, networks: Mapping[str, NetworkState]
) -> bool:
    if name not in container.networks:
        return False
    known = container.network_ids[name]
    stale = bool(known) and name in networks and networks[name].id != known
    return not stale and _plain(container.networks[name]) == _plain(settings)


def _named(what: str, live: Mapping[str, str], wanted: Mapping[str, str]) -> list[Difference]:
    names = sorted(live.keys() | wanted.keys())
    return [Difference(f"{what} {name}") for name in names if live.get(name) != wanted.get(name)]


def _environment(container: ContainerState) -> dict[str, str]:
    told = container.config.get("Env")
    lines = [str(each).partition("=") for each in told] if isinstance(told, list) else []
    return {name: value for name, _, value in lines}


def _labels(container: ContainerState) -> dict[str, str]:
    return {name: value for name, value in container.labels.items() if name not in _VOLATILE}


def _settings(live: Json, wanted: Json, apart: set[str]) -> list[Difference]:
    """Nothing, zero and «not told» are one: a newer engine tells more of the same container."""
    names = sorted((live.keys() | wanted.keys()) - apart)
    pairs = [(name, _plain(live.get(name)), _plain(wanted.get(name))) for name in names]
    return [Difference(name, *_shown(here, there)) for name, here, there in pairs if here != there]


def _shown(live: object, wanted: object) -> tuple[str, str]:
    """Numbers and limits are shown; texts and lists may hold secrets."""
    if all(each is None or isinstance(each, int | float) for each in (live, wanted)):
        return str(live or 0), str(wanted or 0)
    return "", ""


def _plain(value: JsonValue) -> object:
    if isinstance(value, dict):
        kept = {name: _plain(each) for name, each in sorted(value.items())}
        return {name: each for name, each in kept.items() if each is not None} or None
    if isinstance(value, list):
        return [_plain(each) for each in value] or None
    return value or None


def _mounts(live: Sequence[Mount], wanted: Sequence[Mount]) -> list[Difference]:
    here, there = ({each.destination: each for each in mounts} for mounts in (live, wanted))
    return [
        Difference(f"mount {name}")
        for name in sorted(here.keys() | there.keys())
        if not _same(here.get(name), there.get(name))
    ]


def _same(live: Mount | None, wanted: Mount | None) -> bool:
    """Two volumes without a name are the same mount: which of them holds the data is decided apart."""
    if live is None or wanted is None:
        return False
    alike = (live.kind, live.writable) == (wanted.kind, wanted.writable)
    return alike and (live.source == wanted.source or (live.nameless and wanted.nameless))


def _image(container: ContainerState) -> str:
    return f"{container.tag} ({container.image.removeprefix('sha256:')[:12]})"
