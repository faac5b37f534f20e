"""Tests before production that failed: a run on GitHub with its log and report, and what it left in the table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import quoteattr

from sandbox.github_api.state import DEPLOY
from sandbox.world import Sandbox

RUN, COMMIT = 9019, "7e5" + "7" * 37
"""The run whose tests fail, and its commit."""
LEFT, INNOCENT = 60, 70
"""Items that the run left, and items that are nobody's test data."""
AGO = 1800
"""Seconds since it began."""

POLLUTED = (
    "botocore.errorfactory.ConditionalCheckFailedException: An error occurred "
    "(ConditionalCheckFailedException) when calling the PutItem operation: The conditional request failed"
)
THROTTLED = "botocore.exceptions.ClientError: An error occurred (ThrottlingException) when calling the Invoke operation"
BROKEN_CODE = "AssertionError: assert 'negative' == 'positive'"


def fail_tests(sandbox: Sandbox, environment: str) -> None:
    """One test found the items of an earlier attempt, another was throttled."""
    plant(sandbox, {"test_items_preprod::test_store": POLLUTED, "test_items_preprod::test_score": THROTTLED})
    leave_items(sandbox, environment)


def forget_tests(sandbox: Sandbox, environment: str) -> None:
    """As if they had never run."""
    sandbox.github.remove_run(RUN)
    client, table = sandbox.client("dynamodb"), sandbox.place(environment).table
    for page in client.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            if item["source_id"]["S"].startswith((f"test-{RUN}-", "collected-")):
                client.delete_item(
                    TableName=table, Key={name: item[name] for name in ("source_id", "timestamp")}
                )


def plant(sandbox: Sandbox, failed: dict[str, str]) -> None:
    """A run of the deploying workflow whose tests failed; why, by each test's name."""
    log = ["=================================== FAILURES ==================================="]
    for test, why in failed.items():
        log += [f"{'_' * 20} {test.rpartition('::')[2]} {'_' * 20}", f"E       {why}"]
    log.append("=========================== short test summary info ============================")
    log += [
        f"FAILED tests/integration/{test.partition('::')[0]}.py::{test.partition('::')[2]} - x"
        for test in failed
    ]
    jobs = [
        {"name": "deploy-preprod", "steps": [{"name": "Terraform apply"}], "log": "applied\n"},
        {
            "name": "test-preprod",
            "steps": [{"name": "pytest", "conclusion": "failure"}],
            "log": "\n".join(log) + "\n##[error]Process completed with exit code 1.\n",
        },
    ]
    sandbox.github.plant_run(
        id=RUN,
        workflow=DEPLOY,
        jobs=jobs,
        ago=AGO,
        sha=COMMIT,
        artifacts={f"preprod-test-results-{COMMIT}": {"results.xml": _report(failed)}},
        old=True,
    )


def _report(failed: dict[str, str]) -> str:
    cases = [
        f"<testcase classname={quoteattr('tests.integration.' + test.partition('::')[0])} "
        f"name={quoteattr(test.partition('::')[2])}><failure message={quoteattr(why)}/></testcase>"
        for test, why in failed.items()
    ]
    return (
        f'<?xml version="1.0"?><testsuites><testsuite name="pytest">{"".join(cases)}</testsuite></testsuites>'
    )


def leave_items(sandbox: Sandbox, environment: str) -> None:
    """What the run wrote, between items that were collected at the same time."""
    client, table = sandbox.client("dynamodb"), sandbox.place(environment).table
    begun = datetime.now(UTC) - timedelta(seconds=AGO - 1)
    sources = [f"test-{RUN}-{number}" for number in range(LEFT)] + [f"collected-{n}" for n in range(INNOCENT)]
    for number, source in enumerate(sources):
        at = begun + timedelta(milliseconds=number)
        item: dict[str, Any] = {
            "source_id": {"S": source},
            "timestamp": {"S": at.isoformat()},
            "text": {"S": "a good day"},
        }
        client.put_item(TableName=table, Item=item)
