"""Wrong settings for preprod, on real Terraform: one clear ending, and nothing half done anywhere."""

from __future__ import annotations

import pytest

from flows.preprod_terraform_failure import recover
from rules.outcomes import Ending
from sandbox import breaking, faults, reading
from tests.flows.broken_canary import steps, with_terraform
from tests.flows.preprod_world import Preprod

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


def test_another_environments_backend_file_costs_nothing(preprod: Preprod) -> None:
    """With production's state, preprod's code would replace production's table: the plan goes too far."""
    sandbox = preprod.sandbox
    environment = with_terraform(preprod.environment, backend_config="backend-prod.hcl")
    before = [reading.read(sandbox.home, name) for name in ("prod", "preprod")]

    outcome = recover.fn(environment, sandbox.release(2))

    assert outcome.ending is Ending.NOT_RECOVERED, outcome.reason
    assert "goes too far" in outcome.reason
    assert "aws_dynamodb_table.items, which holds data" in outcome.reason
    assert steps(outcome) == []
    for name, then in zip(("prod", "preprod"), before, strict=True):
        now = reading.read(sandbox.home, name)
        assert (now.functions, now.state_sha256, now.items, now.lock) == (
            then.functions, then.state_sha256, then.items, "",
        )  # fmt: skip


def test_a_backend_file_that_is_not_there_is_named(preprod: Preprod) -> None:
    """Terraform's own words, and nothing is tried."""
    environment = with_terraform(preprod.environment, backend_config="backend-elsewhere.hcl")

    outcome = recover.fn(environment, preprod.sandbox.release(2))

    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert "backend-elsewhere.hcl" in outcome.reason
    assert steps(outcome) == []


def test_a_release_without_its_package_is_not_finished(preprod: Preprod) -> None:
    """The state is lost and the release's package gone: nothing is imported, and nothing half applied."""
    sandbox = preprod.sandbox
    faults.start(sandbox, "lost-state", "preprod")
    breaking.remove_package(sandbox, "preprod")
    made = preprod.created()

    outcome = recover.fn(preprod.environment, sandbox.release(2))

    assert outcome.ending is Ending.NOT_RECOVERED, outcome.reason
    assert "dashboard/lambda-" in outcome.reason
    assert steps(outcome) == []
    assert preprod.created() == made
