"""JUnit reports: which tests failed, and nothing that a report may do to its reader."""

from __future__ import annotations

import pytest

from rules.junit_reports import failed_in_report, together
from rules.pytest_logs import FailedTest

REPORT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="tests.test_x" name="test_good"/>
<testcase classname="tests.test_x" name="test_bad"><failure message="assert 1 == 2">def test_bad():
&gt;       assert 1 == 2
E       assert 1 == 2
</failure></testcase>
<testcase classname="tests.test_x" name="test_setup"><error message="no table"/></testcase>
<testcase classname="tests.test_x" name="test_later"><skipped/></testcase>
</testsuite></testsuites>"""


def test_what_failed_and_what_could_not_run_is_read() -> None:
    """With its message and the lines that pytest marks; passed and skipped tests are left out."""
    assert failed_in_report(REPORT) == [
        FailedTest(name="tests.test_x::test_bad", lines=("assert 1 == 2", "assert 1 == 2")),
        FailedTest(name="tests.test_x::test_setup", lines=("no table",)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no report",
        "<testsuite>",
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuite><testcase name="&a;"/></testsuite>',
    ],
)
def test_what_is_no_report_says_nothing(text: str) -> None:
    """Broken, empty, or with entities that could grow without end."""
    assert failed_in_report(text) == []


def test_log_and_report_are_read_together() -> None:
    """Every test of the report, each with what the log says of it too; without a report the log alone."""
    logged = [FailedTest(name="tests/test_x.py::test_bad", lines=("from the log",))]

    both = together(logged, failed_in_report(REPORT))

    assert [test.name for test in both] == ["tests.test_x::test_bad", "tests.test_x::test_setup"]
    assert both[0].lines == ("assert 1 == 2", "from the log")
    assert together(logged, []) == logged
