"""Terraform plans as data: shown, limited, and held against what was agreed."""

from __future__ import annotations

from typing import Any

import pytest

from rules.terraform_plans import (
    MASKED,
    UNKNOWN,
    ResourceChange,
    TerraformPlan,
    as_changes,
    beyond,
    drifted,
    overlooked,
    planned_changes,
    read_changes,
    too_much,
)


def shown(actions: list[str], before: Any, after: Any, **marks: Any) -> dict[str, Any]:
    """The output of `terraform show -json` for a plan of one resource."""
    change = {"actions": actions, "before": before, "after": after, **marks}
    return {
        "resource_changes": [
            {
                "address": "aws_lambda_function.fn",
                "type": "aws_lambda_function",
                "mode": "managed",
                "change": change,
            }
        ]
    }


def test_attributes_are_told_before_and_after() -> None:
    """Only what changes, with what it becomes; what follows from it is left out."""
    [change] = read_changes(
        shown(
            ["update"],
            {"function_name": "prod-x", "s3_key": "a.zip", "memory_size": 512, "version": "3"},
            {"function_name": "prod-x", "s3_key": "b.zip", "memory_size": 512},
            after_unknown={"version": True},
        )
    )

    assert change.name == "prod-x"
    assert change.attributes == {"s3_key": ("a.zip", "b.zip"), "version": ("3", UNKNOWN)}
    assert [(c.subject, c.before, c.after) for c in as_changes([change])] == [
        ("aws_lambda_function.fn s3_key", "a.zip", "b.zip")
    ]


def test_sensitive_values_are_masked() -> None:
    """On either side, whole or nested: a plan is shown to people and kept."""
    [change] = read_changes(
        shown(
            ["update"],
            {"password": "old", "environment": [{"variables": {"KEY": "one"}}]},
            {"password": "new", "environment": [{"variables": {"KEY": "two"}}]},
            before_sensitive={"password": True},
            after_sensitive={"environment": [{"variables": {"KEY": True}}]},
        )
    )

    assert set(change.attributes.values()) == {(MASKED, MASKED)}


@pytest.mark.parametrize("actions", [["no-op"], ["read"]])
def test_what_changes_nothing_is_no_change(actions: list[str]) -> None:
    """Terraform lists untouched resources and data sources too."""
    assert read_changes(shown(actions, {"a": 1}, {"a": 1})) == ()


def resource(kind: str, *actions: str) -> ResourceChange:
    """A change of one resource of some type."""
    return ResourceChange(address=f"{kind}.it", type=kind, actions=actions)


@pytest.mark.parametrize(
    "kind", ["aws_dynamodb_table", "aws_s3_bucket", "aws_db_instance", "aws_rds_cluster", "aws_sqs_queue"]
)
@pytest.mark.parametrize("actions", [("delete",), ("delete", "create"), ("create", "delete")])
def test_a_rollback_never_deletes_or_replaces_what_holds_data(kind: str, actions: tuple[str, ...]) -> None:
    """Whichever order Terraform would do it in."""
    assert too_much([resource(kind, *actions)])


@pytest.mark.parametrize(
    "change",
    [
        resource("aws_dynamodb_table", "update"),
        resource("aws_dynamodb_table", "create"),
        resource("aws_lambda_function", "delete", "create"),
    ],
)
def test_what_can_be_made_again_may_change(change: ResourceChange) -> None:
    """Updates of stateful things, and anything stateless, are within bounds."""
    assert too_much([change]) == ()


ALIAS = ResourceChange(
    address="aws_lambda_alias.live",
    type="aws_lambda_alias",
    actions=("update",),
    attributes={"v": ("3", UNKNOWN)},
)
CODE = ResourceChange(
    address="aws_lambda_function.fn",
    type="aws_lambda_function",
    actions=("update",),
    name="prod-x",
    attributes={"s3_key": ("a", "b")},
)


def test_a_plan_made_again_may_do_less() -> None:
    """A run before us made some of the changes."""
    agreed = as_changes([ALIAS, CODE])

    assert beyond(agreed, [CODE]) == ()
    assert beyond(agreed, []) == ()


@pytest.mark.parametrize(
    "grown",
    [
        CODE.model_copy(update={"attributes": {"s3_key": ("a", "c")}}),
        CODE.model_copy(update={"actions": ("delete", "create")}),
        CODE.model_copy(update={"address": "aws_lambda_function.other"}),
        ResourceChange(address="aws_x.new", type="aws_x", actions=("create",)),
    ],
)
def test_a_plan_made_again_may_not_do_more(grown: ResourceChange) -> None:
    """Another value, another way, another resource: each is something nobody agreed to."""
    assert beyond(as_changes([ALIAS, CODE]), [CODE, grown])


def test_a_function_that_terraform_would_overlook_is_named() -> None:
    """Its state says the code is right, the world says otherwise."""
    assert overlooked([CODE], ["prod-x", "prod-y"]) == ("prod-y",)
    moved = ResourceChange(
        address="aws_lambda_alias.live", type="aws_lambda_alias", actions=("update",), name="prod-y"
    )
    assert overlooked([CODE, moved], ["prod-x", "prod-y"]) == ()


def test_events_are_read() -> None:
    """The stream of `plan -json` names changes and drift."""
    events: list[dict[str, Any]] = [
        {"type": "version"},
        {
            "type": "planned_change",
            "change": {"resource": {"addr": "a.b", "resource_type": "a"}, "action": "replace"},
        },
        {
            "type": "planned_change",
            "change": {"resource": {"addr": "a.c", "resource_type": "a"}, "action": "noop"},
        },
        {"type": "resource_drift", "change": {"resource": {"addr": "a.d"}, "action": "update"}},
    ]

    [change] = planned_changes(events)
    assert (change.address, change.verb) == ("a.b", "replace")
    assert drifted(events) == ("a.d",)


def test_a_plan_is_clean_only_without_drift() -> None:
    """Exit code 0 with drift is not agreement."""
    assert TerraformPlan(exit_code=0).is_clean
    assert not TerraformPlan(exit_code=0, drift=("a.d",)).is_clean
    assert not TerraformPlan(exit_code=2, changes=(CODE,)).is_clean
