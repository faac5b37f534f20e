"""Whether services find each other, and what connects them again."""

from __future__ import annotations

from rules.network_health import NameLook, judge_network, peers, repairs
from rules.outcomes import Verdict, Verification
from rules.stack_differences import Difference, Differences
from rules.stack_repairs import Part
from rules.stack_states import ContainerState, NetworkState, StackState

HERE = Differences(recreate={}, join={}, networks={}, surplus=())


def container(service: str, *networks: str) -> ContainerState:
    """A container in these networks."""
    return ContainerState(
        id="c" * 64,
        name=f"x-{service}",
        service=service,
        image=f"sha256:{'1' * 64}",
        tag="app:1",
        running=True,
        config={},
        host={},
        networks={name: {} for name in networks},
        network_ids={},
        mounts=(),
    )


def network(name: str, *, ours: bool = True) -> NetworkState:
    """A network of the project, or of somebody else."""
    return NetworkState(id=name, name=name, driver="bridge", ours=ours, settings={})


STACK = StackState(
    engine_id="E",
    project="x",
    containers=(
        container("app", "inside"),
        container("kong", "inside", "outside"),
        container("alone", "else"),
    ),
    networks=(network("inside"), network("outside", ours=False), network("else")),
    volumes={},
)


def test_a_service_has_to_find_those_it_shares_a_network_with() -> None:
    """And nobody else."""
    assert peers(STACK) == {"app": ("kong",), "kong": ("app",), "alone": ()}


def test_a_container_that_cannot_be_asked_proves_nothing() -> None:
    """It is neither pass nor fail; a name that is not found fails."""
    silent = Verification.of(judge_network(HERE, [NameLook(service="app", trouble="no shell")]))
    lost = Verification.of(judge_network(HERE, [NameLook(service="app", unknown=("kong",))]))

    assert silent.verdict is Verdict.INCONCLUSIVE
    assert lost.reasons == ("names seen by app: does not find kong",)


def test_a_network_made_again_takes_everybody_back_and_no_other_one() -> None:
    """Its members join it; networks that are as they were, and other people's, are not touched."""
    gone = Differences(recreate={}, join={}, networks={"inside": (Difference("gone"),)}, surplus=())

    changes = repairs(gone, STACK, ())

    assert [(change.kind, change.subject) for change in changes] == [
        (Part.NETWORK, "inside"),
        (Part.MEMBERSHIP, "app in inside"),
        (Part.MEMBERSHIP, "kong in inside"),
    ]


def test_a_name_nobody_answers_to_is_joined_again_in_our_own_networks() -> None:
    """Though the engine says that it is there: in the network of somebody else it is left."""
    changes = repairs(HERE, STACK, ["kong"])

    assert [change.subject for change in changes] == ["kong in inside"]
