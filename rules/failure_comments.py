"""What is said on a pull request whose tests failed: which tests, why, and what helps."""

from __future__ import annotations

import re

from rules.test_failures import ADVICE, Classification, Failure, FailureKind
from rules.workflow_runs import WorkflowRun

MOST_ROWS = 25
_PLAIN_TEST = re.compile(r"[\w./-]+::[\w.:-]+")
"""A test that can be pasted into a shell as it is."""


def attempt_address(run: WorkflowRun) -> str:
    """Where one attempt of a run is shown; it is in the comment, so that it tells what it speaks of."""
    return f"{run.url}/attempts/{run.attempt}"


def failure_comment(run: WorkflowRun, found: Classification) -> str:
    """The comment, in GitHub's Markdown. What comes from a log stands in code spans: it formats and calls nobody."""
    rows = [_row(failure) for failure in found.failures[:MOST_ROWS]]
    left = len(found.failures) - len(rows)
    lines = [
        f"### Tests: {found.summary}",
        f"[Run {run.id}, attempt {run.attempt}]({attempt_address(run)}) of `{run.workflow}` at `{run.sha[:12]}`.",
        "",
        *rows,
        *([f"\nand {left} more."] if left > 0 else []),
        "",
        "**What helps**",
        *(f"- {kind.value}: {ADVICE[kind]}" for kind in found.counts),
    ]
    if command := _command(found):
        lines += ["", f"To see it locally: `{command}`"]
    if found.curable_by_running_again:
        lines += [
            "",
            "None of it points at this change: once the cause is gone, running the failed jobs again may do.",
        ]
    return "\n".join(lines)


def _row(failure: Failure) -> str:
    """No table: in one, the redactor takes what stands beside a test of an API key for that key."""
    said = f"\n  {_code(failure.evidence)}" if failure.evidence else ""
    return f"- **{failure.kind.value}** ({failure.reason}) in {_code(failure.test)}{said}"


def _code(text: str) -> str:
    """Text as a code span of one line."""
    plain = " ".join(text.split()).replace("`", "'")
    return f"`{plain}`"


def _command(found: Classification) -> str:
    """Pytest with the tests that the code must cure, as far as they are named."""
    tests = [failure.test for failure in found.failures if failure.kind is FailureKind.CODE]
    plain = [test for test in tests if _PLAIN_TEST.fullmatch(test)]
    return f"pytest {' '.join(plain[:5])}" if plain else ""
