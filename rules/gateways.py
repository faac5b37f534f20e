"""What a gateway's answers mean."""

from __future__ import annotations

from rules.health import Look
from rules.outcomes import Check
from rules.values import Frozen


class GatewayLook(Frozen):
    """How its two doors answered at one moment."""

    admin: Look
    proxy: Look


def judge_gateway(look: GatewayLook | None, masking: Look | None) -> list[Check]:
    """A check for each door, and one for the way through. An error, a refusal and silence are one symptom."""
    checks = []
    if look is not None:
        checks += [_check("gateway admin API", look.admin), _check("gateway proxy", look.proxy)]
    if masking is not None:
        checks.append(_check("masking", masking))
    return checks


def _check(name: str, look: Look) -> Check:
    return Check(name=name, verdict=look.verdict, reason=look.reason)
