"""What differs between a stack and a backup of it: everything that matters, nothing that does not, no secret told."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from rules.stack_descriptions import described
from rules.stack_differences import compare
from rules.stack_order import carried, dependents, levels, sharing
from rules.stack_states import NEEDS, PROJECT, SERVICE, StackState

SHOP = "shop"


def container(service: str, needs: str = "", **host: Any) -> dict[str, Any]:
    """The inspect of a container, as much as counts."""
    identity = (service.encode().hex() + "0" * 64)[:64]
    return {
        "Id": identity,
        "Name": f"/shop-{service}",
        "Image": "sha256:" + "1" * 64,
        "State": {"Running": True, "StartedAt": "2026-07-29T14:30:22Z"},
        "Config": {
            "Hostname": identity[:12],
            "Image": f"{service}:1",
            "Env": ["PASSWORD=hunter2", "MODE=fast"],
            "Cmd": ["serve", "--all"],
            "Labels": {PROJECT: SHOP, SERVICE: service, NEEDS: needs},
        },
        "HostConfig": {"Memory": 1024, "NetworkMode": "shop-net", **host},
        "NetworkSettings": {
            "Networks": {
                "shop-net": {"NetworkID": "n1", "Aliases": [service, identity[:12]], "IPAMConfig": None}
            }
        },
        "Mounts": [{"Type": "volume", "Name": "a" * 64, "Destination": "/data", "RW": True}],
    }


def stack(*containers: dict[str, Any]) -> dict[str, Any]:
    """A state with these containers."""
    network = {
        "Id": "n1",
        "Name": "shop-net",
        "Driver": "bridge",
        "Labels": {PROJECT: SHOP},
        "IPAM": {"Config": []},
    }
    return {"containers": list(containers), "networks": [network], "volumes": [], "engine": {"id": "E"}}


def state(told: dict[str, Any]) -> StackState:
    """It as it is read."""
    return described(told, SHOP)


@pytest.fixture
def told() -> dict[str, Any]:
    """Give a test a stack of three."""
    return stack(
        container("redis"),
        container("kong", "redis:service_healthy:false"),
        container("nginx", "kong:service_started:false"),
    )


def test_the_same_is_the_same(told: dict[str, Any]) -> None:
    """Other ids, another order of variables, a newer engine's empty settings, moved nameless volumes: no difference."""
    other = copy.deepcopy(told)
    kong = other["containers"][1]
    kong["Id"] = "f" * 64
    kong["Config"]["Hostname"] = "f" * 12
    kong["Config"]["Env"].reverse()
    kong["HostConfig"] |= {"Annotations": {}, "CpuCount": 0, "Sysctls": None}
    kong["NetworkSettings"]["Networks"]["shop-net"]["Aliases"] = ["kong", "f" * 12]
    kong["Mounts"][0]["Name"] = "b" * 64

    assert not compare(state(other), state(told))


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("Image",), "sha256:" + "2" * 64, "image: kong:1 (222222222222) instead of kong:1 (111111111111)"),
        (("Config", "Env"), ["PASSWORD=geheim", "MODE=fast"], "environment PASSWORD"),
        (("Config", "Cmd"), ["--all", "serve"], "Cmd"),
        (("HostConfig", "Memory"), 512, "Memory: 512 instead of 1024"),
        (("Config", "Labels", "tier"), "gold", "label tier"),
        (("Mounts",), [], "mount /data"),
        (("Name",), "/f00_shop-kong", "there is no such container: none instead of shop-kong"),
    ],
)
def test_each_difference_is_told_without_a_secret(
    told: dict[str, Any], path: tuple[str, ...], value: object, what: str
) -> None:
    """The service is made again, the reason is told, and values of variables and labels are not."""
    other = copy.deepcopy(told)
    place = other["containers"][1]
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value

    found = compare(state(other), state(told))

    assert list(found.recreate) == ["kong"]
    assert what in [str(each) for each in found.recreate["kong"]]
    assert "geheim" not in str(found)
    assert "hunter2" not in str(found)


def test_networks_are_compared_apart(told: dict[str, Any]) -> None:
    """Who left a network, or knows one that is no more, joins it: nothing is made again for that."""
    other = copy.deepcopy(told)
    other["networks"][0]["Id"] = "n2"
    other["containers"][0]["NetworkSettings"]["Networks"] = {}
    other["containers"][1]["NetworkSettings"]["Networks"]["shop-net"]["NetworkID"] = "n2"
    found = compare(state(other), state(told))

    assert (found.join, found.recreate, found.networks) == (
        {"nginx": ("shop-net",), "redis": ("shop-net",)},
        {},
        {},
    )

    other["networks"][0]["IPAM"] = {"Config": [{"Subnet": "10.1.0.0/24"}]}
    assert list(compare(state(other), state(told)).networks) == ["shop-net"]
    other["networks"] = []
    assert "no such network" in str(compare(state(other), state(told)).networks["shop-net"][0])


def test_a_service_that_came_since_is_surplus(told: dict[str, Any]) -> None:
    """It is named, and nothing else differs for it."""
    other = copy.deepcopy(told)
    other["containers"].append(container("spy"))

    assert compare(state(other), state(told)).surplus == ("spy",)


def test_services_start_after_what_they_need(told: dict[str, Any]) -> None:
    """By what Compose wrote down; without that in the environment's order; a circle ends it."""
    assert levels(state(told), []) == [["redis"], ["kong"], ["nginx"]]
    assert dependents(state(told), ["redis"]) == ["kong", "nginx"]
    assert dependents(state(told), ["nginx"]) == []
    assert dependents(state(told), ["redis", "kong", "nginx"]) == ["kong", "nginx"]

    bare = stack(container("redis"), container("kong"), container("nginx"))
    assert levels(state(bare), ["redis", "kong"]) == [["redis"], ["kong"], ["nginx"]]
    assert dependents(state(bare), ["redis", "kong", "nginx"], ["redis", "kong"]) == ["kong"]
    assert dependents(state(bare), ["kong"], ["redis", "kong", "nginx"]) == ["nginx"]
    circle = stack(container("redis", "kong::"), container("kong", "redis::"))
    assert levels(state(circle), []) == [["kong", "redis"]]


def test_who_lives_in_anothers_network_goes_along() -> None:
    """Its host is named, for an id would be no more."""
    redis = container("redis")
    told = stack(redis, container("kong", NetworkMode=f"container:{redis['Id']}"))

    assert sharing(state(told), ["redis"]) == ["kong"]
    told["containers"].append(container("nginx", "app::"))
    told["containers"].append(container("app"))
    assert levels(state(told), []) == [["app", "redis"], ["kong", "nginx"]]
    assert state(told).of("kong")[0].host["NetworkMode"] == "container:shop-redis"


def test_the_volume_that_is_mounted_now_is_carried_over(told: dict[str, Any]) -> None:
    """Then the one that was backed up: the data of today before that of yesterday."""
    other = copy.deepcopy(told)
    other["containers"][0]["Mounts"][0]["Name"] = "b" * 64
    now, then = state(other), state(told)
    [redis] = then.of("redis")

    assert carried([*now.containers, *then.containers], redis) == {"/data": "b" * 64}
    assert carried(then.containers, redis) == {"/data": "a" * 64}


@pytest.mark.parametrize(
    "harm",
    [
        lambda told: told["containers"][0].update(Name="/../x"),
        lambda told: told["containers"][0].update(Image="kong:latest"),
        lambda told: told["containers"][0]["Config"]["Labels"].update({PROJECT: "other"}),
        lambda told: told.update(networks={}) or told.update(containers="no"),
    ],
)
def test_what_is_no_state_of_the_project_is_refused(told: dict[str, Any], harm: Any) -> None:
    """Illegal names, images that are tags, and other projects' containers."""
    harm(told)

    with pytest.raises((ValueError, TypeError)):
        described(json.loads(json.dumps(told)), SHOP)
