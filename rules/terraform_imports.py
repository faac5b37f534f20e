"""Bringing what exists into a Terraform state: what each type is imported by, and the blocks that say so.

Runbook source: 001 scenario 2, «If resource conflict: terraform import». One by one on the command line it fails on
`for_each` and shows no plan first; `import` blocks stand in one plan with everything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from rules.plans import Change
from rules.terraform_plans import KIND, UNKNOWN, ResourceChange
from rules.values import Frozen

IMPORTED_BY: dict[str, str] = {
    "aws_cloudwatch_composite_alarm": "{alarm_name}",
    "aws_cloudwatch_log_group": "{name}",
    "aws_cloudwatch_metric_alarm": "{alarm_name}",
    "aws_dynamodb_table": "{name}",
    "aws_lambda_alias": "{function_name}/{name}",
    "aws_lambda_function": "{function_name}",
    "aws_lambda_function_url": "{function_name}/{qualifier}",
    "aws_s3_bucket": "{bucket}",
    "aws_secretsmanager_secret": "{name}",
    "aws_sns_topic": "{name}",
    "aws_sqs_queue": "{name}",
}
"""What names a resource of a type, by its attributes. Some are imported by an ARN or address that AWS knows for it."""


class Import(Frozen):
    """A resource that exists and is not in the state: its address in the code, and what it is imported by."""

    address: str
    id: str


def own_name(resource: ResourceChange) -> str:
    """What names a resource that a plan would create; empty where its type is not known here, or its name is not."""
    pattern = IMPORTED_BY.get(resource.type)
    if pattern is None:
        return ""
    values = {name: after for name, (_, after) in resource.attributes.items() if after not in ("", UNKNOWN)}
    try:
        return pattern.format_map(values)
    except KeyError:
        return ""


def created(resources: Iterable[ResourceChange]) -> tuple[ResourceChange, ...]:
    """The resources that a plan would only create."""
    return tuple(resource for resource in resources if resource.actions == ("create",))


def as_blocks(imports: Iterable[Import]) -> str:
    """The `import` blocks, as Terraform reads them; the same imports give the same text."""
    blocks = [
        f"import {{\n  to = {each.address}\n  id = {_quoted(each.id)}\n}}\n"
        for each in sorted(imports, key=lambda each: each.address)
    ]
    return "\n".join(blocks)


def as_import_changes(imports: Iterable[Import]) -> tuple[Change, ...]:
    """The imports for a plan."""
    return tuple(
        Change(
            subject=each.address,
            before="not in the state",
            after=f"imported as {each.id}",
            kind=f"{KIND} import",
        )
        for each in sorted(imports, key=lambda each: each.address)
    )


def _quoted(text: str) -> str:
    """A string of Terraform's language in which nothing is evaluated."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")
