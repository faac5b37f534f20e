"""Destroying an environment to make it anew: where that may be offered, and what is spared.

Runbook source: 001 scenario 2, option 3 «Destroy and Recreate (Nuclear)».
"""

from __future__ import annotations

import json

from rules.severity import Tier

SPARED: tuple[str, ...] = ("aws_kms_key", "aws_secretsmanager_secret", "aws_ssm_parameter")
"""Types that Terraform cannot make again as they were: their value is not in its code, and AWS keeps the name of a
deleted secret for days. `terraform destroy` takes them too; the service then has no secret to start with."""


def refused_in(tier: Tier) -> str:
    """Why an environment may not be destroyed to be made anew; empty: it may."""
    return "production is never destroyed to be made anew" if tier is Tier.PRODUCTION else ""


def to_destroy(state: str) -> tuple[str, ...]:
    """The addresses in a state that a recreation destroys, sorted; all instances of one resource have one address."""
    if not state:
        return ()
    return tuple(
        sorted(
            _address(resource)
            for resource in json.loads(state)["resources"]
            if resource["mode"] == "managed" and resource["type"] not in SPARED and resource["instances"]
        )
    )


def _address(resource: dict[str, str]) -> str:
    name = f"{resource['type']}.{resource['name']}"
    return f"{resource['module']}.{name}" if resource.get("module") else name
