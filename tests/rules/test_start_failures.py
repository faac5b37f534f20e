"""Why a container does not start, and what is done about it."""

from __future__ import annotations

import pytest

from rules.stack_repairs import Part
from rules.stack_states import ContainerState, StackState
from rules.stacks import ContainerLook, StackLook
from rules.start_failures import (
    Cause,
    Facts,
    PortHolder,
    diagnose,
    down,
    needed_ports,
    ports_to_free,
    repairs,
)

IMAGE = f"sha256:{'1' * 64}"
NAMED = {IMAGE: True}
TAKEN = (
    "driver failed programming external connectivity on endpoint x: Error starting userland proxy: listen tcp4 "
    "127.0.0.1:8085: bind: address already in use"
)
WANTED = ContainerState(
    id="c" * 64,
    name="x-nginx",
    service="nginx",
    image=IMAGE,
    tag="nginx:1",
    running=True,
    config={},
    host={"PortBindings": {"8085/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8085"}], "9/tcp": None}},
    networks={},
    network_ids={},
    mounts=(),
)


def look(**changes: object) -> StackLook:
    """A stack whose nginx is like this."""
    told = {"id": "c", "name": "x-nginx", "service": "nginx", "image": IMAGE, "state": "exited", **changes}
    return StackLook(project="x", containers=(ContainerLook.model_validate(told),))


HOLDER = PortHolder(port=8085, holder="the process python (7)")


@pytest.mark.parametrize(
    ("seen", "facts", "cause"),
    [
        (look(error=TAKEN, exit_code=128), Facts(images=NAMED, holders=(HOLDER,)), Cause.PORT),
        (look(error=TAKEN, exit_code=128), Facts(images=NAMED), Cause.STOPPED),
        (look(error=TAKEN), Facts(images=NAMED, holders=(PortHolder(port=80, holder="x"),)), Cause.STOPPED),
        (look(), Facts(images={}), Cause.IMAGE),
        (look(), Facts(images={IMAGE: False}), Cause.UNNAMED),
        (look(), Facts(images=NAMED, missing_files={"nginx": ("/srv/nginx.conf",)}), Cause.MOUNT),
        (StackLook(project="x", containers=()), Facts(images=NAMED), Cause.ABSENT),
        (look(exit_code=137), Facts(images=NAMED), Cause.STOPPED),
        (look(exit_code=1), Facts(images=NAMED), Cause.CRASHES),
        (look(state="restarting", restarts=7, exit_code=1), Facts(images=NAMED), Cause.CRASHES),
    ],
)
def test_each_cause_is_told_from_the_others(seen: StackLook, facts: Facts, cause: Cause) -> None:
    """The engine's words alone do not decide: a port may be free again by now."""
    found = diagnose("nginx", seen, [WANTED], facts)

    assert found.cause is cause
    assert found.curable is (cause not in {Cause.PORT, Cause.IMAGE, Cause.CRASHES})


def test_what_cannot_be_cured_is_left_alone() -> None:
    """A held port, a lost image and a crash get no change; each is told."""
    failures = [
        diagnose("nginx", look(error=TAKEN), [WANTED], Facts(images=NAMED, holders=(HOLDER,))),
        diagnose("nginx", look(), [WANTED], Facts()),
        diagnose("nginx", look(exit_code=1), [WANTED], Facts(images=NAMED)),
    ]

    assert repairs(failures, []) == ()
    assert failures[0].told == "port 8085 is held by the process python (7)"
    assert "nginx:1" in failures[1].told


def test_a_lost_container_with_a_nameless_image_is_named_made_and_started() -> None:
    """In this order."""
    gone = StackLook(project="x", containers=())
    failure = diagnose("nginx", gone, [WANTED], Facts(images={IMAGE: False}))

    changes = repairs([failure], ["nginx"])

    assert [change.kind for change in changes] == [Part.IMAGE, Part.CONTAINER, Part.START]


def test_a_service_is_down_when_none_of_its_containers_runs() -> None:
    """One that is missing altogether is down too."""
    assert down(look(state="running"), ["nginx", "app"]) == ["app"]
    assert needed_ports(WANTED) == {8085}


def test_ports_that_the_stack_itself_has_are_free() -> None:
    """A service that is made again gives its port up; one that stands still does not have it."""
    stopped = WANTED.model_copy(update={"running": False})

    def state(*containers: ContainerState) -> StackState:
        return StackState(engine_id="e", project="x", containers=containers, networks=(), volumes={})

    assert ports_to_free(state(stopped), state(WANTED), ["nginx"]) == {8085}
    assert ports_to_free(state(), state(WANTED), ["nginx"]) == {8085}
    assert ports_to_free(state(WANTED), state(WANTED), ["nginx"]) == set()
    assert ports_to_free(state(), state(WANTED), ["redis"]) == set()
