"""What a pull request is told: true, short, harmless, and always the same for the same failures."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from rules.failure_comments import MOST_ROWS, attempt_address, failure_comment
from rules.redaction import redact
from rules.test_failures import Classification, Failure, FailureKind
from rules.workflow_runs import RunStatus, WorkflowRun

AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
RUN = WorkflowRun(
    id=9017, attempt=2, workflow="tests-dev.yml", title="Score faster", branch="faster", sha="5c0" + "e" * 37,
    event="pull_request", status=RunStatus.COMPLETED, conclusion="failure", created_at=AT, started_at=AT,
    url="https://github.example.com/acme/sentiment-service/actions/runs/9017",
)  # fmt: skip
CODE = Failure(test="tests/unit/test_x.py::test_y", kind=FailureKind.CODE, reason="r", evidence="E")
SECRET = Failure(
    test="tests/unit/test_k.py::test_api_key", kind=FailureKind.SECRETS, reason="r", evidence="E"
)

EXPECTED = """\
### Tests: 2 failed: 1 secrets, 1 code
[Run 9017, attempt 2](https://github.example.com/acme/sentiment-service/actions/runs/9017/attempts/2) of \
`tests-dev.yml` at `5c0eeeeeeeee`.

- **code** (r) in `tests/unit/test_x.py::test_y`
  `E`
- **secrets** (r) in `tests/unit/test_k.py::test_api_key`
  `E`

**What helps**
- secrets: See that the secret exists, is current, and may be read by the role of the workflow.
- code: Run the failed tests locally, repair the code or the test, and push.

To see it locally: `pytest tests/unit/test_x.py::test_y`"""


def test_the_comment_names_tests_causes_and_what_helps() -> None:
    """The whole of it, and which attempt it speaks of."""
    assert failure_comment(RUN, Classification(failures=(CODE, SECRET))) == EXPECTED
    assert attempt_address(RUN) in EXPECTED


def test_what_no_change_of_the_code_would_cure_is_said() -> None:
    """A pull request that is not at fault hears so; one that is, does not."""
    assert "once the cause is gone" in failure_comment(RUN, Classification(failures=(SECRET,)))
    assert "once the cause is gone" not in failure_comment(RUN, Classification(failures=(SECRET, CODE)))


def test_many_failures_are_cut() -> None:
    """A broken import fails a thousand tests: they are counted, not listed."""
    text = failure_comment(RUN, Classification(failures=(CODE,) * 1000))

    assert text.count("in `tests/unit") == MOST_ROWS
    assert f"and {1000 - MOST_ROWS} more." in text


@given(st.text(alphabet="`|\\@<>#![]()\r\n ab$;", max_size=80))
def test_a_log_formats_nothing_and_calls_nobody(said: str) -> None:
    """Whatever a log holds stands in code spans of their own lines: no mention, no HTML, no other line, no command."""
    failure = CODE.model_copy(update={"test": f"x::{said}", "evidence": said})

    told = failure_comment(RUN, Classification(failures=(failure,))).splitlines()

    plain = failure_comment(RUN, Classification(failures=(CODE,))).splitlines()
    assert told[:3] == plain[:3]
    assert [line.count("`") for line in told[3:5] if line] in ([2], [2, 2])
    assert [line for line in told[4:] if "see it locally" not in line and line[:3] != "  `" and line] == [
        line for line in plain[5:] if "see it locally" not in line and line
    ]
    [command] = [line for line in told if "see it locally" in line] or [""]
    assert not set(command) & set("|\\@<>#!()$;")


def test_the_comment_is_not_redacted_once_more() -> None:
    """A test that is called after an API key keeps its name and its cause."""
    text = failure_comment(RUN, Classification(failures=(CODE, SECRET)))

    assert redact(text) == text
