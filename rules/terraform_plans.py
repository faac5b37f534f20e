"""A Terraform plan as data: what would change, whether that is too much, and whether it is what was agreed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rules.plans import Change
from rules.values import Frozen

KIND = "terraform"
"""The kind of change that Terraform makes, beside the kinds of other systems."""

MASKED = "(sensitive)"
UNKNOWN = "(known after apply)"
_LONGEST = 160

STATEFUL: tuple[str, ...] = (
    "aws_backup_vault", "aws_cloudwatch_log_group", "aws_cognito_user_pool", "aws_db_", "aws_docdb_",
    "aws_dynamodb_table", "aws_ebs_volume", "aws_ecr_repository", "aws_efs_file_system", "aws_elasticache_",
    "aws_elasticsearch_domain", "aws_fsx_", "aws_kinesis_stream", "aws_kms_key", "aws_memorydb_", "aws_msk_",
    "aws_neptune_", "aws_opensearch_domain", "aws_rds_", "aws_redshift_", "aws_s3_bucket", "aws_secretsmanager_secret",
    "aws_sns_topic", "aws_sqs_queue", "aws_ssm_parameter", "aws_timestreamwrite_",
)  # fmt: skip
"""Beginnings of the resource types that hold data, or that others' data hangs on."""


class ResourceChange(Frozen):
    """One resource that a plan would change. `attributes` maps a name to what it is before and after."""

    address: str
    type: str
    actions: tuple[str, ...]
    reason: str = ""
    name: str = ""
    """The resource's own name in AWS, where the plan tells it."""
    attributes: dict[str, tuple[str, str]] = {}

    @property
    def verb(self) -> str:
        """create, update, delete or replace."""
        return "replace" if "delete" in self.actions and "create" in self.actions else self.actions[0]


class TerraformPlan(Frozen):
    """What one `terraform plan` found out."""

    exit_code: int
    """0: no changes, 2: changes."""
    changes: tuple[ResourceChange, ...] = ()
    drift: tuple[str, ...] = ()
    """Addresses of resources that were changed outside Terraform."""

    @property
    def is_clean(self) -> bool:
        """Whether state, code and world agree: «No changes» alone is not enough, drift is none of its changes."""
        return self.exit_code == 0 and not self.changes and not self.drift


def read_changes(shown: Mapping[str, Any]) -> tuple[ResourceChange, ...]:
    """The changes in the output of `terraform show -json <plan>`; sensitive values are masked."""
    found = []
    for item in shown.get("resource_changes", ()):
        change = item["change"]
        actions = tuple(change["actions"])
        if item.get("mode") == "managed" and actions not in (("no-op",), ("read",)):
            found.append(
                ResourceChange(
                    address=item["address"],
                    type=item["type"],
                    actions=actions,
                    reason=item.get("action_reason", ""),
                    name=_own_name(change),
                    attributes=_attributes(change),
                )
            )
    return tuple(found)


def planned_changes(events: Iterable[Mapping[str, Any]]) -> tuple[ResourceChange, ...]:
    """The changes in the event stream of `terraform plan -json`: which, and how, without their attributes."""
    return tuple(
        ResourceChange(
            address=change["resource"]["addr"],
            type=change["resource"].get("resource_type", ""),
            actions=("delete", "create") if change["action"] == "replace" else (change["action"],),
            reason=change.get("reason", ""),
        )
        for change in (event["change"] for event in events if event.get("type") == "planned_change")
        if change["action"] not in ("noop", "read")
    )


def drifted(events: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The resources that were changed outside Terraform, by the event stream of `terraform plan -json`."""
    return tuple(e["change"]["resource"]["addr"] for e in events if e.get("type") == "resource_drift")


def _own_name(change: Mapping[str, Any]) -> str:
    values = {**(change.get("before") or {}), **(change.get("after") or {})}
    for key in ("function_name", "name", "bucket", "id"):
        if isinstance(values.get(key), str):
            return str(values[key])
    return ""


def _attributes(change: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    hidden_before, hidden_after = change.get("before_sensitive") or {}, change.get("after_sensitive") or {}
    told = {}
    for name in sorted({*before, *after, *unknown}):
        new_is_unknown = bool(unknown.get(name)) if isinstance(unknown, dict) else bool(unknown)
        if before.get(name) == after.get(name) and not new_is_unknown:
            continue
        masked = _holds_secret(hidden_before, name) or _holds_secret(hidden_after, name)
        was = MASKED if masked else _worded(before.get(name))
        becomes = UNKNOWN if new_is_unknown else MASKED if masked else _worded(after.get(name))
        told[name] = (was, becomes)
    return told


def _holds_secret(marks: Any, name: str) -> bool:
    """Terraform marks secrets by the shape of the value: true, or a structure with a true somewhere in it."""
    return marks is True or (isinstance(marks, dict) and "true" in json.dumps(marks.get(name, False)))


def _worded(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def as_changes(resources: Iterable[ResourceChange]) -> tuple[Change, ...]:
    """The changes for a plan: one for each attribute, so that people see what becomes of what.

    Attributes that are only known afterwards follow from the others; they are told where nothing else is.
    """
    told = []
    for resource in resources:
        kind = f"{KIND} {resource.verb}"
        known = {name: pair for name, pair in resource.attributes.items() if pair[1] != UNKNOWN}
        for name, (before, after) in (known or resource.attributes).items():
            told.append(Change(subject=f"{resource.address} {name}", before=before, after=after, kind=kind))
        if not resource.attributes:
            told.append(Change(subject=resource.address, before="", after="", kind=kind))
    return tuple(told)


def too_much(resources: Iterable[ResourceChange]) -> tuple[str, ...]:
    """Why a plan goes too far for a rollback: it would delete or replace something that holds data."""
    return tuple(
        f"it would {resource.verb} {resource.address}, which holds data"
        for resource in resources
        if "delete" in resource.actions and resource.type.startswith(STATEFUL)
    )


def beyond(agreed: Sequence[Change], now: Iterable[ResourceChange]) -> tuple[str, ...]:
    """What a plan made anew would do that was not agreed; empty: apply it.

    Fewer changes are fine: a run before us, killed half way, made the others.
    """
    known = {(c.subject, c.after, c.kind) for c in agreed if c.kind.startswith(KIND)}
    return tuple(
        f"{c.subject}: {c.before or '(nothing)'} → {c.after or '(nothing)'} ({c.kind})"
        for c in as_changes(now)
        if (c.subject, c.after, c.kind) not in known
    )


def overlooked(resources: Iterable[ResourceChange], functions: Iterable[str]) -> tuple[str, ...]:
    """The functions whose callers Terraform would leave with what they get: it touches neither code nor alias.

    Terraform compares its state with the code, not the world: a function changed outside it looks unchanged.
    """
    touched = {r.name for r in resources if r.type in ("aws_lambda_function", "aws_lambda_alias")}
    return tuple(name for name in functions if name not in touched)
