"""Destroying preprod and making it anew, on real Terraform: only where it was asked for, agreed, and no production."""

from __future__ import annotations

import pytest

from flows._ladder import Request
from flows.preprod_terraform_failure import recover
from ledger.cases import Case
from rules.errors import RecoveryRefused
from rules.outcomes import Ending
from rules.severity import Tier
from sandbox import faults, reading
from sandbox.world import Sandbox
from tasks.terraform_recreation import destroy_all
from tests.flows.broken_canary import steps
from tests.flows.preprod_world import Preprod

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

PAST = Request(requested_by="Ada", break_glass="preprod is broken beyond repair")


def break_beyond_repair(sandbox: Sandbox) -> None:
    """A bad release is half deployed, and nobody may change a function's code any more."""
    faults.start(sandbox, "half-deployed", "preprod")
    faults.start(sandbox, "function-changes-denied", "preprod")


def test_where_nothing_gentler_helps_it_is_made_anew(preprod: Preprod) -> None:
    """All but the secret is destroyed and made from the last proven release, once; what held data was listed."""
    sandbox = preprod.sandbox
    break_beyond_repair(sandbox)
    before = reading.read(sandbox.home, "preprod")

    outcome = recover.fn(preprod.environment, recreate=True, request=PAST)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert (outcome.plan.rung, outcome.plan.destructiveness.value) == ("recreate", "destructive")
    data = {change.subject: change.before for change in outcome.plan.changes if change.kind == "data"}
    assert data[sandbox.place("preprod").table] == "1 item"
    assert not any("secret" in change.subject for change in outcome.plan.changes)
    after = reading.read(sandbox.home, "preprod")
    assert after.releases == {sandbox.release(2)}
    assert (after.items, after.lock) == (0, "")
    assert after.secret_version == before.secret_version
    assert preprod.clean()
    made = sandbox.client("dynamodb").describe_table(TableName=sandbox.place("preprod").table)["Table"]

    again = recover.fn(
        preprod.environment, recreate=True, request=PAST
    )  # as Prefect does after a death at the end

    assert again.ending is Ending.NOTHING_TO_DO, again.reason
    assert outcome.incident in again.reason
    now = sandbox.client("dynamodb").describe_table(TableName=sandbox.place("preprod").table)["Table"]
    assert now["CreationDateTime"] == made["CreationDateTime"]


def test_nobody_asked_for_it_is_not_done(preprod: Preprod) -> None:
    """It ends as before, with everything still there."""
    break_beyond_repair(preprod.sandbox)

    outcome = recover.fn(preprod.environment, request=PAST)

    assert outcome.ending is Ending.NOT_RECOVERED, outcome.reason
    assert "recreate: Not done: nobody asked for it" in outcome.reason
    assert reading.read(preprod.sandbox.home, "preprod").items == 1
    assert "destroy_all" not in {action for action, _, _ in steps(outcome)}


def test_production_is_refused_by_the_action_itself(preprod: Preprod, acting: Case) -> None:
    """Even where a plan for it should ever exist."""
    production = preprod.environment.model_copy(update={"tier": Tier.PRODUCTION})

    with pytest.raises(RecoveryRefused, match="production is never destroyed"):
        destroy_all(production, "x", "0" * 40, ())


def test_production_is_never_offered(preprod: Preprod) -> None:
    """Ticked or not: the last way says no before it looks at anything."""
    production = preprod.environment.model_copy(update={"tier": Tier.PRODUCTION})
    break_beyond_repair(preprod.sandbox)

    outcome = recover.fn(production, recreate=True, request=PAST)

    assert outcome.ending is Ending.NOT_RECOVERED, outcome.reason
    assert "recreate: Not done: production is never destroyed" in outcome.reason
    assert reading.read(preprod.sandbox.home, "preprod").items == 1
