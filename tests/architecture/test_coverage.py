"""Every step of the runbooks is done by something that exists, or says why nobody does it."""

from __future__ import annotations

import ast

import pytest

from deployments.handbook import handbook
from docs.runbook_steps import By, Step, read_runbooks
from tests.architecture.source_tree import ROOT, tree

RUNBOOKS = {runbook.number: runbook for runbook in read_runbooks()}
STEPS = [step for runbook in RUNBOOKS.values() for step in runbook.steps]
ENTRIES = {entry.scenario.name: entry for entry in handbook()}
COMMANDS = {
    "000": """
itk run --case|artifacts/debug/ --verbose|cat artifacts/debug/report.md|itk-triage-failed-run.prompt.md
rm -rf artifacts/debug/|artifacts/run-001/|no rollback needed|pkill -f "itk run"|$WRONG_QUEUE_URL|$DLQ_URL
aws sqs purge-queue|nano .env|tier3-preflight-checklist.md|pkill -f "itk"|do NOT run any more commands
correlation ids|what data was accessed|escalate|add production account to block list|rm -rf artifacts/<run-id>/
rotate via IAM console|git log --oneline -5|ITK_REDACT_KEYS|--redact|ITK_REDACT_PATTERNS|compliance|ps aux
pgrep -f "itk run"|kill <pid>|kill -9 <pid>|find . -name "*.lock"|timeout 300|sleep 60|ITK_LOG_QUERY_WINDOW_SECONDS
ITK_LOG_GROUPS|--quota-code L-32C48598|--retry-backoff exponential|account ID|ITK_MODE|unique run ID|`.env` files
level 1|level 2|level 3
""",
    "001": """
gh run view <RUN_ID> --log-failed|pytest|git commit|git push|git log|git revert HEAD|terraform init|terraform state list
terraform plan|terraform force-unlock <LOCK_ID>|terraform import|terraform apply|terraform destroy|gh workflow run
aws dynamodb list-tables|aws lambda list-functions|aws s3 ls|gh run download|aws dynamodb describe-table
aws lambda get-function|aws secretsmanager get-secret-value|aws dynamodb scan|aws dynamodb delete-item|gh run watch
gh run list|/health|aws cloudwatch describe-alarms|aws logs tail|aws logs filter-log-events
aws cloudwatch describe-alarm-history|gh api|aws lambda update-function-code|-lock-timeout|watch -n 30|gh run cancel
gh run rerun|terraform-state-lock-prod|aws secretsmanager list-secrets|aws iam get-user-policy
aws cloudwatch set-alarm-state|point-in-time|production offline|from scratch|incident report
""",
    "004": """
rollback.sh production|deploy-20250729-120000|FORCE_ROLLBACK=true|docker stop $(docker ps -q --filter name=claude-)
docker rm|docker network rm claude-enterprise|ls -la backups/pre-deploy/|config.env|docker-compose up -d
docker-compose ps|post-deploy-verify.sh production|redis-cli ping|localhost:8001/status|localhost:8000/
localhost:8085/health|masked, stored in Redis, unmasked|services-state.json|redis-backup.rdb
rollback-state/|ls -lat|--dry-run|head -1
production 7 days, staging 3, development 1, critical 30|kong config -c|PRESERVE_DATA=false|redis-cli --rdb
docker network prune -f|docker stats --no-stream|PRESERVE_DATA=true|docker cp|docker-compose restart redis
redis-cli keys "aws_masker:*"|tail -f logs/rollbacks|--help|docker-compose logs|docker events|ss -tln
docker-compose down --remove-orphans|info memory|rollback-verification.log|curl-format.txt|validate-config.sh
rollback.sh staging|day2-integration.sh|escalation matrix|Rollback completed|backup availability verified
""",
}
"""What each runbook tells people to type, and what it tells them to decide."""

_NAMED = [
    (number, command)
    for number, told in COMMANDS.items()
    for command in told.strip().replace("\n", "|").split("|")
]


def exists(by: By) -> bool:
    """Whether there is such a flow, with such a rung, or reaching such a task."""
    if not (ROOT / f"flows/{by.flow.replace('-', '_')}.py").is_file():
        return False
    if not (by.rung or by.task):
        return True
    entry = ENTRIES[by.flow]
    rungs, tasks = {way.name for way in entry.ways}, {task.name for task in (*entry.probes, *entry.actions)}
    return by.rung in rungs or by.task in tasks


@pytest.mark.parametrize(("runbook", "command"), _NAMED)
def test_no_command_is_forgotten(runbook: str, command: str) -> None:
    """Each command of the runbook is in the table."""
    assert any(command in step.says for step in RUNBOOKS[runbook].steps)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.says[:40])
def test_who_does_it_exists(step: Step) -> None:
    """A step is done by a flow, a rung or a task that is there; what is there is no longer «not yet»."""
    assert [str(by) for by in step.by if not exists(by)] == []
    assert step.not_yet is None or not exists(step.not_yet), (
        "it is there: say `by` in its docs/runbook_….yaml"
    )


@pytest.mark.parametrize("test", sorted({step.test for step in STEPS if step.test}))
def test_the_test_that_shows_why_exists(test: str) -> None:
    """What differs from the runbook names the test that shows why."""
    file, _, name = test.partition("::")
    functions = {node.name for node in tree(ROOT / file).body if isinstance(node, ast.FunctionDef)}

    assert name in functions
