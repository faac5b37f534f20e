"""Whether a stack's services can reach each other: their networks, who is in them, and which names they find."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rules.outcomes import Check, Verdict
from rules.plans import Change
from rules.stack_differences import Differences
from rules.stack_repairs import Part, in_order, joining
from rules.stack_states import StackState
from rules.values import Frozen


class NameLook(Frozen):
    """Which names a running container finds when it asks the name server inside its network."""

    service: str
    """Who asked."""
    unknown: tuple[str, ...] = ()
    """Names nobody answers to."""
    trouble: str = ""
    """Why it could not ask; empty: it did."""


def peers(state: StackState) -> dict[str, tuple[str, ...]]:
    """For each service those it shares a network with."""
    found: dict[str, set[str]] = {}
    for each in state.containers:
        sharing = {
            other.service for other in state.containers if each.networks.keys() & other.networks.keys()
        }
        found.setdefault(each.service, set()).update(sharing - {each.service})
    return {service: tuple(sorted(others)) for service, others in found.items()}


def judge_network(differences: Differences, names: Sequence[NameLook]) -> list[Check]:
    """A check for the networks, one for who is in them, and one for each service's look for names."""
    wrong = sorted(differences.networks)
    away = [f"{service} is not in {', '.join(left)}" for service, left in sorted(differences.join.items())]
    return [
        _check("networks", [f"{name}: {differences.networks[name][0].what}" for name in wrong]),
        _check("members", away),
        *(_names(look) for look in names),
    ]


def _check(name: str, wrong: Sequence[str]) -> Check:
    verdict = Verdict.FAIL if wrong else Verdict.PASS
    return Check(name=name, verdict=verdict, reason="; ".join(wrong) or "as in the backup")


def _names(look: NameLook) -> Check:
    name = f"names seen by {look.service}"
    if look.trouble:
        return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason=look.trouble)
    if look.unknown:
        return Check(name=name, verdict=Verdict.FAIL, reason=f"does not find {', '.join(look.unknown)}")
    return Check(name=name, verdict=Verdict.PASS, reason="finds all it shares a network with")


def repairs(differences: Differences, wanted: StackState, unknown: Collection[str]) -> tuple[Change, ...]:
    """The networks to make, and who has to come back: a network that is made again has another identity.

    `unknown`: services that others do not find, though they seem to be in the network.
    """
    changes = [
        Change(subject=name, before=told[0].what, after="as in the backup", kind=Part.NETWORK)
        for name, told in differences.networks.items()
    ]
    pairs = {(service, network) for service, left in differences.join.items() for network in left}
    for each in wanted.containers:
        ours = {network.name for network in wanted.networks if network.ours}
        again = differences.networks.keys() if each.service not in unknown else ours
        pairs |= {(each.service, network) for network in each.networks if network in again}
    return in_order([*changes, *(joining(service, network) for service, network in pairs)])
