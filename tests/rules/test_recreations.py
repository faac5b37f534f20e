"""Where an environment may be destroyed to be made anew, and what is spared."""

from __future__ import annotations

import json

import pytest

from rules.approvals import Policy, required
from rules.recreations import SPARED, refused_in, to_destroy
from rules.severity import Destructiveness, Severity, Tier


@pytest.mark.parametrize("tier", Tier)
def test_production_is_never_offered(tier: Tier) -> None:
    """Only production is refused, and it always is."""
    assert bool(refused_in(tier)) == (tier is Tier.PRODUCTION)


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("waived", [None, *Policy])
def test_preprod_needs_two_approvers(severity: Severity, waived: Policy | None) -> None:
    """However urgent it is, and whatever the environment waives."""
    needed = required(severity, Tier.PREPROD, Destructiveness.DESTRUCTIVE, automatic_up_to=waived)

    assert needed.policy is Policy.TWO_APPROVERS


def resource(kind: str, name: str = "x", **more: object) -> dict[str, object]:
    """A resource as a state lists it."""
    return {"mode": "managed", "type": kind, "name": name, "instances": [{}], **more}


def test_what_cannot_be_made_again_is_spared() -> None:
    """Secrets and keys stay; data sources and empty resources are nothing to destroy; modules keep their path."""
    resources = [
        *(resource(kind) for kind in SPARED),
        resource("aws_lambda_function", "service"),
        resource("aws_sns_topic", "alarms", module='module.notices["a"]'),
        resource("aws_sqs_queue", "gone", instances=[]),
        resource("aws_iam_role", "read", mode="data"),
    ]

    found = to_destroy(json.dumps({"resources": resources}))

    assert found == ("aws_lambda_function.service", 'module.notices["a"].aws_sns_topic.alarms')


def test_an_empty_state_destroys_nothing() -> None:
    """Neither does none at all."""
    assert to_destroy("") == to_destroy('{"resources": []}') == ()
