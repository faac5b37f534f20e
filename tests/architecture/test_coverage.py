"""Every step of runbook 001 is done by something that exists, or says why nobody does it."""

from __future__ import annotations

import ast

import pytest

from deployments.handbook import handbook
from docs.runbook_steps import By, Step, read_steps
from tests.architecture.source_tree import ROOT, tree

STEPS = [step for section in read_steps() for step in section.steps]
ENTRIES = {entry.scenario.name: entry for entry in handbook()}
COMMANDS = """
gh run view <RUN_ID> --log-failed|pytest|git commit|git push|git log|git revert HEAD|terraform init|terraform state list
terraform plan|terraform force-unlock <LOCK_ID>|terraform import|terraform apply|terraform destroy|gh workflow run
aws dynamodb list-tables|aws lambda list-functions|aws s3 ls|gh run download|aws dynamodb describe-table
aws lambda get-function|aws secretsmanager get-secret-value|aws dynamodb scan|aws dynamodb delete-item|gh run watch
gh run list|/health|aws cloudwatch describe-alarms|aws logs tail|aws logs filter-log-events
aws cloudwatch describe-alarm-history|gh api|aws lambda update-function-code|-lock-timeout|watch -n 30|gh run cancel
gh run rerun|terraform-state-lock-prod|aws secretsmanager list-secrets|aws iam get-user-policy
aws cloudwatch set-alarm-state|point-in-time|production offline|from scratch|incident report
"""
"""What the runbook tells people to type, and what it tells them to decide."""


def exists(by: By) -> bool:
    """Whether there is such a flow, with such a rung, or reaching such a task."""
    if not (ROOT / f"flows/{by.flow.replace('-', '_')}.py").is_file():
        return False
    if not (by.rung or by.task):
        return True
    entry = ENTRIES[by.flow]
    rungs, tasks = {way.name for way in entry.ways}, {task.name for task in (*entry.probes, *entry.actions)}
    return by.rung in rungs or by.task in tasks


@pytest.mark.parametrize("command", COMMANDS.strip().replace("\n", "|").split("|"))
def test_no_command_is_forgotten(command: str) -> None:
    """Each command of the runbook is in the table."""
    assert any(command in step.says for step in STEPS)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.says[:40])
def test_who_does_it_exists(step: Step) -> None:
    """A step is done by a flow, a rung or a task that is there; what is there is no longer «not yet»."""
    assert [str(by) for by in step.by if not exists(by)] == []
    assert step.not_yet is None or not exists(step.not_yet), "it is there: say `by` in docs/runbook_001.yaml"


@pytest.mark.parametrize("test", sorted({step.test for step in STEPS if step.test}))
def test_the_test_that_shows_why_exists(test: str) -> None:
    """What differs from the runbook names the test that shows why."""
    file, _, name = test.partition("::")
    functions = {node.name for node in tree(ROOT / file).body if isinstance(node, ast.FunctionDef)}

    assert name in functions
