"""A deployment to preprod that AWS or somebody else keeps from being finished: what would not help is not tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from flows import preprod_terraform_failure
from flows.preprod_terraform_failure import recover
from ledger.database import open_ledger
from ledger.models import StepRow
from rules.outcomes import Ending, Outcome
from sandbox import breaking, faults, reading
from sandbox.aws_front import read_rules
from tasks.terraform_runs import apply_plan
from tests.flows.broken_canary import steps
from tests.flows.preprod_world import Preprod

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


def applies(outcome: Outcome) -> Counter[str]:
    """How often Terraform was let apply, by release."""
    return Counter(subject for action, subject, _ in steps(outcome) if action == "apply_plan")


def failures(outcome: Outcome) -> list[str]:
    """Why steps failed, in their order."""
    with open_ledger().reading() as session:
        rows = select(StepRow.error).where(StepRow.incident_id == outcome.incident).order_by(StepRow.id)
        return [error for error in session.scalars(rows) if error]


def test_an_exhausted_quota_is_named_and_not_tried_again(preprod: Preprod) -> None:
    """Each way is tried once and gives way to the next; the ending names the quota."""
    good = preprod.sandbox.release(2)
    preprod.sandbox.deploy("preprod", 1)
    faults.start(preprod.sandbox, "quota-exhausted", "preprod")

    outcome = recover.fn(preprod.environment, good)

    assert outcome.ending is Ending.NOT_RECOVERED, outcome.reason
    assert "finish: Could not apply the plan: a quota is exhausted" in outcome.reason
    assert "Code storage limit exceeded" in outcome.reason
    ways = ("finish", "terraform")
    assert all(f"{way}: Could not apply the plan: a quota is exhausted" in outcome.reason for way in ways)
    assert applies(outcome) == {good: len(ways)}


def test_expired_credentials_are_refused_and_nothing_is_half_done(preprod: Preprod) -> None:
    """It says that they expired and what to renew; the world is as it was, and afterwards it is recovered."""
    breaking.deploy_half(preprod.sandbox, "preprod")
    before = reading.read(preprod.sandbox.home, "preprod")
    faults.start(preprod.sandbox, "expired-credentials", "preprod")

    outcome = recover.fn(preprod.environment, preprod.sandbox.release(2))

    assert outcome.ending is Ending.REFUSED, outcome.reason
    assert "expired" in outcome.reason.lower()
    assert "renew" in outcome.hint.lower()
    assert steps(outcome) == []
    faults.repair(preprod.sandbox, "expired-credentials", "preprod")
    assert before.differences(reading.read(preprod.sandbox.home, "preprod")) == {}
    assert recover.fn(preprod.environment, preprod.sandbox.release(2)).ending is Ending.RECOVERED


@contextmanager
def meanwhile(preprod: Preprod, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Iterator[None]:
    """Between plan and apply somebody else's Terraform runs, once."""
    done: list[int] = []

    def late(*given: Any) -> Any:
        if not done:
            theirs = preprod.terraform(preprod.checked_out(preprod.sandbox.release(2)), *arguments)
            done.append(theirs.returncode)
        return apply_plan(*given)

    monkeypatch.setattr(preprod_terraform_failure, "apply_plan", late)
    yield
    assert done == [0]


def test_a_stale_plan_is_made_again_within_what_was_agreed(
    preprod: Preprod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another's apply did a part of it after it was planned: what is left is planned again, and applied."""
    good = preprod.sandbox.release(2)
    preprod.sandbox.deploy("preprod", 1)
    part = ["-auto-approve", "-input=false", "-var-file=preprod.tfvars", f"-var=model_version={good}"]
    target = '-target=aws_lambda_function.service["analysis"]'

    with meanwhile(preprod, monkeypatch, "apply", target, *part):
        outcome = recover.fn(preprod.environment, good)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "finish", (outcome.verification, failures(outcome), steps(outcome))
    assert reading.read(preprod.sandbox.home, "preprod").releases == {good}
    assert preprod.clean()


def test_a_stale_plan_that_would_do_more_is_not_applied(
    preprod: Preprod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody took the table out of the state: made again, the plan would create it, which nobody agreed to."""
    before = preprod.created()["table"]
    preprod.sandbox.deploy("preprod", 1)

    with meanwhile(preprod, monkeypatch, "state", "rm", "aws_dynamodb_table.items"):
        outcome = recover.fn(preprod.environment, preprod.sandbox.release(2))

    assert preprod.created()["table"] == before
    assert reading.read(preprod.sandbox.home, "preprod").items == 1
    assert "Terraform would now do what was not agreed: aws_dynamodb_table.items" in failures(outcome)[0]


@pytest.mark.parametrize("when", ["plan", "apply"])
def test_a_lock_that_terraform_met_itself_keeps_nobody_out(
    preprod: Preprod, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The reply to the lock's write is lost: what was taken unheard is given back, and the first way recovers."""
    good = preprod.sandbox.release(2)
    preprod.sandbox.deploy("preprod", 1)

    def unheard(*given: Any) -> Any:
        if when == "apply" and not lost:
            lost.append(when)
            faults.start(preprod.sandbox, "lost-lock-reply", "preprod")
        return apply_plan(*given)

    lost: list[str] = []
    monkeypatch.setattr(preprod_terraform_failure, "apply_plan", unheard)
    if when == "plan":
        faults.start(preprod.sandbox, "lost-lock-reply", "preprod")
    outcome = recover.fn(preprod.environment, good)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert outcome.plan
    assert outcome.plan.rung == "finish", (outcome.verification, failures(outcome))
    assert reading.read(preprod.sandbox.home, "preprod").releases == {good}
    assert [rule.times for rule in read_rules(preprod.sandbox.home.faults)] == [0], "no reply was lost"
    assert preprod.clean(), "the lock was left behind"
