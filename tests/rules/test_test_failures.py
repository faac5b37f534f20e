"""Why tests failed, from logs as GitHub keeps them: a table of causes, and what must hold for any log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.pytest_logs import FailedTest, failed_tests, plain_lines
from rules.redaction import redact
from rules.test_failures import ADVICE, SIGNS, FailureKind, classify, judge

K = FailureKind
CAUSES = [
    (K.MISSING_VARIABLE, "KeyError: 'DYNAMODB_TABLE'"),
    (K.MISSING_VARIABLE, "KeyError: 'DASHBOARD_API_KEY'"),
    (K.MISSING_VARIABLE, "./run.sh: line 4: NEWSAPI_TOKEN: unbound variable"),
    (K.MISSING_VARIABLE, "ValueError: environment variable DASHBOARD_URL is not set"),
    (K.MISSING_VARIABLE, "./run.sh: line 4: API_URL: unbound variable"),
    (K.MISSING_VARIABLE, "##[error]Input required and not supplied: aws-region"),
    (K.MISSING_VARIABLE, "pydantic_core.ValidationError: 2 validation errors for Settings"),
    (
        K.SECRETS,
        "(ResourceNotFoundException) when calling the GetSecretValue operation: Secrets Manager can't find it",
    ),
    (
        K.SECRETS,
        "ClientError: (AccessDeniedException) not authorized to perform: secretsmanager:GetSecretValue",
    ),
    (
        K.SECRETS,
        "##[error]Credentials could not be loaded, please check your action inputs: no credential provider",
    ),
    (K.SECRETS, "ClientError: An error occurred (ExpiredTokenException) when calling the Scan operation"),
    (K.THROTTLING, "ClientError: An error occurred (ThrottlingException) when calling Query: Rate exceeded"),
    (K.THROTTLING, "(ProvisionedThroughputExceededException) when calling the PutItem operation"),
    (K.THROTTLING, "(ThrottlingException) when calling the GetSecretValue operation: Rate exceeded"),
    (K.THROTTLING, "assert 429 == 200"),
    (K.DEPENDENCY, "ModuleNotFoundError: No module named 'vaderSentiment'"),
    (K.DEPENDENCY, "ERROR: No matching distribution found for boto3==9.9.9"),
    (
        K.DEPENDENCY,
        "ReadTimeoutError: HTTPSConnectionPool(host='files.pythonhosted.org', port=443): Read timed out",
    ),
    (K.POLLUTED_DATA, "(ConditionalCheckFailedException) when calling the PutItem operation"),
    (K.POLLUTED_DATA, "AssertionError: expected 3 items, found 53"),
    (K.POLLUTED_DATA, "psycopg.errors.UniqueViolation: duplicate key value"),
    (
        K.INFRASTRUCTURE,
        "ClientError: (AccessDeniedException) is not authorized to perform: dynamodb:PutItem",
    ),
    (
        K.INFRASTRUCTURE,
        "ResourceNotFoundException: Function not found: arn:aws:lambda:…:preprod-sentiment-analysis",
    ),
    (K.INFRASTRUCTURE, "ConnectionRefusedError: [Errno 111] Connection refused"),
    (K.INFRASTRUCTURE, "assert 503 == 200"),
    (K.INFRASTRUCTURE, "##[error]The runner has received a shutdown signal."),
    (K.CODE, "AssertionError: assert 'negative' == 'positive'"),
    (K.CODE, "TypeError: score() missing 1 required positional argument: 'text'"),
    (K.CODE, "KeyError: 'score'"),
    (K.CODE, "SyntaxError: invalid syntax"),
    (K.CODE, "Failed: DID NOT RAISE <class 'ValueError'>"),
    (K.UNKNOWN, "something else"),
]

LOG = """\
2026-11-20T03:04:05.1234567Z ##[group]Run pytest tests/integration -v
2026-11-20T03:04:06.1234567Z \x1b[31mtests/integration/test_items_preprod.py::test_count FAILED\x1b[0m
2026-11-20T03:04:06.2234567Z =================================== FAILURES ===================================
2026-11-20T03:04:06.3234567Z _________________________________ test_count _________________________________
2026-11-20T03:04:06.4234567Z >       assert len(items) == 3
2026-11-20T03:04:06.4234567Z E       AssertionError: assert 53 == 3
2026-11-20T03:04:06.4234567Z E        +  where 53 = len([{'source_id': 'test-1'}])
2026-11-20T03:04:06.5234567Z ______________________ TestDashboard.test_key[preprod] _______________________
2026-11-20T03:04:06.5234567Z E       botocore.errorfactory.ResourceNotFoundException: An error occurred
2026-11-20T03:04:06.5234567Z E       when calling the GetSecretValue operation: Secrets Manager can't find it
2026-11-20T03:04:06.6234567Z =========================== short test summary info ============================
2026-11-20T03:04:06.6234567Z FAILED tests/integration/test_items_preprod.py::test_count - AssertionErr...
2026-11-20T03:04:06.6234567Z FAILED tests/integration/test_dashboard_preprod.py::TestDashboard::test_key[preprod] - b...
2026-11-20T03:04:06.7234567Z ========================= 2 failed, 40 passed in 12.34s =========================
2026-11-20T03:04:06.8234567Z ##[error]Process completed with exit code 1.
"""


@pytest.mark.parametrize(("kind", "line"), CAUSES, ids=[line[:50] for _, line in CAUSES])
def test_each_cause_is_told_apart(kind: FailureKind, line: str) -> None:
    """The table, row by row, each with a reason and a piece of advice; also from a log that was redacted first."""
    judged = judge(FailedTest(name="t", lines=(redact(line),)))

    assert judged.kind is kind, judged
    assert judged.reason
    assert ADVICE[kind]


def test_every_row_of_the_table_is_of_use() -> None:
    """Each row decides at least one of the examples: none is hidden behind those above it."""
    used = {
        next(index for index, sign in enumerate(SIGNS) if sign.pattern.search(line))
        for kind, line in CAUSES
        if kind is not K.UNKNOWN
    }

    assert {SIGNS[index].pattern.pattern for index in range(len(SIGNS)) if index not in used} == set()


def test_a_log_is_read_test_by_test() -> None:
    """Timestamps and colours are off; reasons cut by the terminal's width are taken from each test's section."""
    found = classify(failed_tests("Integration", LOG))

    assert [(failure.test.rpartition("::")[2], failure.kind) for failure in found.failures] == [
        ("test_count", K.POLLUTED_DATA),
        ("test_key[preprod]", K.SECRETS),
    ]
    assert found.summary == "2 failed: 1 secrets, 1 polluted data"
    assert found.curable_by_running_again


def test_a_warning_that_was_survived_is_no_cause() -> None:
    """A throttled call that a library tried again does not excuse the assertion that failed."""
    log = f"WARNING botocore.retries: ThrottlingException, retrying\n{LOG.replace('assert 53 == 3', 'assert 2 == 3')}"

    kinds = [failure.kind for failure in classify(failed_tests("Integration", log)).failures]

    assert kinds == [K.CODE, K.SECRETS]
    assert not classify(failed_tests("Integration", log)).curable_by_running_again


def test_a_file_that_cannot_be_collected_is_a_failure() -> None:
    """Pytest's own `ERROR collecting` names the file."""
    log = (
        "____________________ ERROR collecting tests/unit/test_score.py ____________________\n"
        "E   ModuleNotFoundError: No module named 'vaderSentiment'\n"
        "=========================== short test summary info ============================\n"
        "ERROR tests/unit/test_score.py\n"
    )

    [failure] = classify(failed_tests("Unit", log)).failures

    assert (failure.test, failure.kind) == ("tests/unit/test_score.py", K.DEPENDENCY)


def test_a_job_that_never_came_to_its_tests_is_judged_by_its_errors() -> None:
    """No pytest in the log: the last error line that is known decides, exit codes say nothing."""
    log = "Run pip install\nERROR: No matching distribution found for x\n##[error]Process completed with exit code 1."

    [failure] = classify(failed_tests("Unit", log)).failures

    assert (failure.test, failure.kind) == ("Unit", K.DEPENDENCY)
    assert "No matching" in failure.evidence


def test_most_decide_and_special_causes_win_a_tie() -> None:
    """Two of three decide; one to one, the cause that no change of the code cures."""
    throttled = FailedTest(name="a", lines=("ThrottlingException",))
    wrong = FailedTest(name="b", lines=("AssertionError: x",))

    assert classify([throttled, wrong, wrong]).kind is K.CODE
    assert classify([wrong, throttled]).kind is K.THROTTLING
    assert classify([]).kind is K.UNKNOWN


def test_evidence_tells_no_secret() -> None:
    """What is quoted from a log is redacted."""
    planted = "AKIA" + "QWERTYUIOPASDFGH"

    failure = judge(FailedTest(name="t", lines=(f"AssertionError: key {planted} is wrong",)))

    assert planted not in failure.evidence
    assert "[redacted:" in failure.evidence


@given(st.text(max_size=2000))
def test_any_log_is_judged(log: str) -> None:
    """Whatever the log holds, there is a verdict with a reason, and at least one failure."""
    found = classify(failed_tests("job", log))

    assert found.failures
    assert all(failure.reason for failure in found.failures)


@given(st.lists(st.sampled_from([line for _, line in CAUSES]), min_size=1, max_size=6), st.data())
def test_the_order_of_the_tests_does_not_matter(lines: list[str], data: st.DataObject) -> None:
    """The same failures in another order have the same causes and the same main one."""
    failed = [FailedTest(name=str(number), lines=(line,)) for number, line in enumerate(lines)]
    other = data.draw(st.permutations(failed))

    assert classify(failed).counts == classify(other).counts
    assert classify(failed).kind is classify(other).kind


@given(st.lists(st.text(alphabet="abc \t", max_size=80), max_size=20))
def test_noise_changes_nothing(noise: list[str]) -> None:
    """Lines that say nothing, before and after, leave every verdict as it is."""
    said = "\n".join(noise)

    assert classify(failed_tests("j", f"{said}\n{LOG}\n{said}")) == classify(failed_tests("j", LOG))


def test_a_line_of_megabytes_is_cut() -> None:
    """One line of a minified bundle takes no time worth naming."""
    [line] = plain_lines("x" * 5_000_000)

    assert len(line) == 2000
