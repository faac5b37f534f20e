"""Which tests failed and what each said, read from the log of a job, as GitHub Actions keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rules.values import Frozen

LONGEST_LINE = 2000
"""Characters of a line that are looked at: no pattern is run over a line of megabytes."""

_STAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT[\d:.]{8,18}Z ?")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SUMMARY = re.compile(r"^(?:FAILED|ERROR) (?P<test>\S+?::\S+|\S+\.py)(?: - (?P<reason>.*))?$")
_SECTION = re.compile(
    r"^_{3,} (?:ERROR (?:at (?:setup|teardown) of|collecting) )?(?P<test>\S.{0,300}?) _{3,}$"
)
_HEADING = re.compile(r"^={3,}(?: .* )?={3,}$")
_ERROR = re.compile(
    r"##\[error\]|\bE(?:rror|RROR|RR!)\b|Exception\b|\b[A-Za-z_.]+Error:|^E  |^fatal:|FATAL|\bfailed\b|Killed"
    r"|unbound variable"
)
_NO_CAUSE = re.compile(r"Process completed with exit code (?!137)\d+")
_MOST_LINES = 40


class FailedTest(Frozen):
    """One test that failed and the lines that say why; `name` is pytest's id of it, or the job's name."""

    name: str
    lines: tuple[str, ...]


def plain_lines(log: str) -> list[str]:
    """The log's lines without timestamps and colours."""
    return [
        _COLOUR.sub("", _STAMP.sub("", line[: 2 * LONGEST_LINE]))[:LONGEST_LINE].rstrip()
        for line in log.splitlines()
    ]


def failed_tests(job: str, log: str) -> list[FailedTest]:
    """Every failed test of a job's log; where pytest told of none, the job itself with its error lines.

    A summary's reason is cut to the terminal's width, so each test's own section is read as well. Where the log was
    cut at its beginning, the sections may be missing: then the reason stands alone.
    """
    lines = plain_lines(log)
    summary: dict[str, str] = {}
    for line in lines:
        if told := _SUMMARY.match(line):
            summary[told["test"]] = told["reason"] or ""
    sections = _sections(lines)
    found = [
        FailedTest(name=test, lines=_first([*sections.get(_short(test), []), reason]))
        for test, reason in summary.items()
    ]
    if found:
        return found
    errors = [line for line in lines if _ERROR.search(line) and not _NO_CAUSE.search(line)]
    return [FailedTest(name=job, lines=_first(reversed(errors)))]


def _short(test: str) -> str:
    """The name that heads a test's section: `Class.method[case]`, or a file that could not be collected."""
    return test.partition("::")[2].replace("::", ".") or test


def _sections(lines: Iterable[str]) -> dict[str, list[str]]:
    """The lines of each section that begin with pytest's `E`, by the section's name."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in lines:
        if head := _SECTION.match(line):
            current = found.setdefault(head["test"], [])
        elif _HEADING.match(line):
            current = None
        elif current is not None and line.startswith("E  "):
            current.append(line[1:].strip())
    return found


def _first(lines: Iterable[str]) -> tuple[str, ...]:
    kept = (line for line in lines if line)
    return tuple(line for line, _ in zip(kept, range(_MOST_LINES), strict=False))
