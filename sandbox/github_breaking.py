"""How each fault on GitHub is made and undone."""

from __future__ import annotations

from sandbox.github_api.state import DEPLOY, TESTS
from sandbox.world import Sandbox

HUNG_SECONDS = 45 * 60
PULL_REQUEST, BRANCH, COMMIT = 17, "faster-scores", "5c0" + "e" * 37
"""The pull request whose tests fail."""
FAILED_RUN, HANGING_RUN = 9017, 9018

LOG = """\
2026-11-20T03:04:05.1234567Z ##[group]Run pytest tests/unit tests/integration -v
2026-11-20T03:04:06.2234567Z =================================== FAILURES ===================================
2026-11-20T03:04:06.3234567Z __________________________________ test_score __________________________________
2026-11-20T03:04:06.4234567Z E       AssertionError: assert 'negative' == 'positive'
2026-11-20T03:04:06.5234567Z _________________________________ test_api_key _________________________________
2026-11-20T03:04:06.5234567Z E       botocore.errorfactory.ResourceNotFoundException: An error occurred
2026-11-20T03:04:06.5234567Z E       when calling the GetSecretValue operation: Secrets Manager can't find it
2026-11-20T03:04:06.6234567Z =========================== short test summary info ============================
2026-11-20T03:04:06.6234567Z FAILED tests/unit/test_score_dev.py::test_score - AssertionError: assert...
2026-11-20T03:04:06.6234567Z FAILED tests/integration/test_key_dev.py::test_api_key - botocore...
2026-11-20T03:04:06.7234567Z ========================= 2 failed, 40 passed in 12.34s =========================
2026-11-20T03:04:06.8234567Z ##[error]Process completed with exit code 1.
"""


def hang_run(sandbox: Sandbox, environment: str) -> None:
    """A run whose tests never end, on a runner that does not obey a plain order."""
    jobs = [
        {"name": "build", "steps": [{"name": "Package"}], "log": "built\n"},
        {"name": "test", "steps": [{"name": "Check out"}, {"name": "pytest", "seconds": None}]},
    ]
    sandbox.github.plant_run(
        id=HANGING_RUN, workflow=DEPLOY, jobs=jobs, ago=HUNG_SECONDS, obeys="force", sha="3" * 40, old=True
    )


def remove_hanging_run(sandbox: Sandbox, environment: str) -> None:
    """As if it had never been."""
    sandbox.github.remove_run(HANGING_RUN)


def fail_tests(sandbox: Sandbox, environment: str) -> None:
    """A pull request whose tests ended an hour ago, with one failure of the code and one of a secret."""
    github = sandbox.github
    github.plant_pull_request(PULL_REQUEST, "Score faster", BRANCH, COMMIT)
    jobs = [
        {"name": "lint", "steps": [{"name": "ruff"}], "log": "all good\n"},
        {"name": "test", "steps": [{"name": "pytest", "conclusion": "failure"}], "log": LOG},
    ]
    github.plant_run(
        id=FAILED_RUN,
        workflow=TESTS,
        jobs=jobs,
        ago=3600,
        branch=BRANCH,
        sha=COMMIT,
        event="pull_request",
        title="Score faster",
        pull_request=PULL_REQUEST,
        old=True,
    )


def remove_failed_tests(sandbox: Sandbox, environment: str) -> None:
    """As if they had never run."""
    sandbox.github.remove_run(FAILED_RUN)
    sandbox.github.remove_thread(PULL_REQUEST)
