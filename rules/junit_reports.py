"""Which tests failed and why, read from a JUnit report, as pytest's `--junitxml` writes it."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from rules.pytest_logs import LONGEST_LINE, FailedTest

_MOST_LINES = 40
_DECLARES = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def failed_in_report(text: str) -> list[FailedTest]:
    """Every test of a report that failed or could not run; none where it is no such report, or declares entities."""
    if _DECLARES.search(text):
        return []
    try:
        root = ET.fromstring(text)  # noqa: S314 - it declares no entities
    except ET.ParseError:
        return []
    found = []
    for case in root.iter("testcase"):
        bad = case.find("failure")
        bad = case.find("error") if bad is None else bad
        if bad is not None:
            lines = [bad.get("message", ""), *(line[1:].strip() for line in _errors(bad.text or ""))]
            kept = tuple(line[:LONGEST_LINE] for line in lines if line)[:_MOST_LINES]
            found.append(FailedTest(name=f"{case.get('classname', '')}::{case.get('name', '')}", lines=kept))
    return found


def _errors(trace: str) -> list[str]:
    """The lines that pytest marks with `E`."""
    return [line for line in trace.splitlines() if line.startswith("E  ")]


def together(logged: list[FailedTest], reported: list[FailedTest]) -> list[FailedTest]:
    """What the report says, and of each test also what the log says; without a report, the log alone.

    A log may be cut; a report has every test. Both name a test's function the same.
    """
    if not reported:
        return logged
    said = {_function(test): test.lines for test in logged}
    return [
        FailedTest(name=test.name, lines=tuple(dict.fromkeys((*test.lines, *said.get(_function(test), ())))))
        for test in reported
    ]


def _function(test: FailedTest) -> str:
    return test.name.rpartition("::")[2]
