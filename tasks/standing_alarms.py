"""Which alarms fire right now, asked of those who raise them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from blocks.aws_errors import translated
from blocks.environment import Environment
from blocks.secret_reference import SecretReference
from rules.alarms import Alarm, from_alertmanager, from_cloudwatch
from rules.errors import StepFailed, TransientFailure
from rules.standing_alarms import as_delivered, as_published, speaks
from tasks.kinds import probe

ANSWER_SECONDS = 10.0
SNS = "sns"
"""The source of CloudWatch's alarms, whichever way they were heard of."""


@probe(retries=1)
def firing_in_cloudwatch(environment: Environment) -> tuple[Alarm, ...]:
    """Every alarm in ALARM of the environment's account and region, of both types, that may tell people.

    Permissions: cloudwatch:DescribeAlarms
    """
    found: list[Mapping[str, Any]] = []
    with translated(f"read the alarms of {environment.name}'s account"):
        pages = environment.aws.client("cloudwatch").get_paginator("describe_alarms")
        for page in pages.paginate(StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"]):
            found += [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]
    return tuple(from_cloudwatch(as_published(each), source=SNS) for each in found if speaks(each))


@probe(retries=1)
def firing_in_alertmanager(source: str, address: str, token: SecretReference | None) -> tuple[Alarm, ...]:
    """Every alert that fires in an Alertmanager, but for those that are silenced or inhibited there.

    Permissions: none

    Raises:
        TransientFailure: it does not answer now.
        StepFailed: it refuses, or its answer is not Alertmanager's.
    """
    headers = {"Authorization": f"Bearer {token.read().get_secret_value()}"} if token else {}
    asked = {"active": "true", "silenced": "false", "inhibited": "false", "unprocessed": "false"}
    try:
        answer = httpx.get(
            f"{address.rstrip('/')}/api/v2/alerts", params=asked, headers=headers, timeout=ANSWER_SECONDS
        )
    except httpx.HTTPError as error:
        raise TransientFailure(
            f"{source} does not answer: {type(error).__name__}.", hint="Check `ask` in the routes file."
        ) from error
    if answer.status_code >= 500 or answer.status_code == 429:
        raise TransientFailure(f"{source} answers {answer.status_code}.")
    try:
        alerts = answer.raise_for_status().json()
    except (httpx.HTTPStatusError, ValueError) as error:
        raise StepFailed(
            f"{source} answers {answer.status_code}, and not with its alerts.",
            hint="`ask` is Alertmanager's own address, without /api; `ask_token` the token it wants.",
        ) from error
    return tuple(
        alarm for delivery in as_delivered(alerts) for alarm in from_alertmanager(delivery, source=source)
    )
