"""Reading a failed run of tests, and what the tests ran against, as it is now."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from blocks.environment import Environment
from rules.errors import StepFailed
from rules.health import judge_service
from rules.junit_reports import failed_in_report, together
from rules.outcomes import Check
from rules.preprod_tests import judge_table
from rules.pytest_logs import failed_tests
from rules.secret_faults import diagnose_secret, judge_secret
from rules.test_failures import Classification, classify
from rules.workflow_runs import RunLook
from tasks.kinds import in_parallel, say
from tasks.lambdas import all_live_code
from tasks.run_evidence import artifact, failed_logs
from tasks.stored_secrets import secret_facts
from tasks.tables import table_state


def classified(environment: Environment, look: RunLook, report: str) -> Classification:
    """Why each failed test of a run failed, by its logs and the report it left in an artifact of that name."""
    logged = [test for log in failed_logs(environment, look) for test in failed_tests(log.job, log.text)]
    try:
        files = artifact(environment, look.run.id, report) if report else []
    except StepFailed as error:
        say(f"The report could not be read, the logs alone are: {error.message}")
        files = []
    reported = [test for file in files for test in failed_in_report(file.text)]
    return classify(together(logged, reported))


def look_at_place(environment: Environment) -> list[Check]:
    """Whether the tables, functions and secrets that tests need are in order. No secret is shown."""
    platform = environment.lambda_platform
    secrets = {
        endpoint.key.name
        for endpoint in platform.health
        if endpoint.key and endpoint.key.source == "secrets_manager"
    }
    return [
        *in_parallel([partial(_table, environment, table.name) for table in platform.tables]),
        *judge_service(all_live_code(environment)),
        *in_parallel([partial(_secret, environment, name) for name in sorted(secrets)]),
    ]


def _table(environment: Environment, name: str) -> Check:
    seen = table_state(environment, name)
    return judge_table(name, seen.status, seen.key, environment.lambda_platform.table(name).key)


def _secret(environment: Environment, name: str) -> Check:
    facts = secret_facts(environment, name)
    return judge_secret(facts, diagnose_secret(facts, datetime.now(UTC)))
