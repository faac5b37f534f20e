"""Telling people: notices, pages, artifacts and the report, at the moments the frame knows."""

from __future__ import annotations

import logging

from blocks.environment import Environment
from flows import _report
from ledger.cases import Case
from rules.outcomes import Ending, Finding
from rules.plans import Plan

log = logging.getLogger("backstop")


def opened(case: Case, environment: Environment) -> None:
    """An incident was opened."""


def schedule_escalations(case: Case, environment: Environment, finding: Finding) -> None:
    """Schedule who is paged when, before anything is changed."""


def plan_made(case: Case, plan: Plan) -> None:
    """A plan was pinned."""


def ended(case: Case, environment: Environment, ending: Ending, reason: str, hint: str) -> None:
    """The ending is known: closing notice, and pages at once where a person is needed."""


def reported(case: Case) -> str:
    """Write the report; returns its path, or nothing where it could not be written: a recovery never fails by it."""
    try:
        return str(_report.write_report(case.ledger, case.incident_id))
    except Exception:
        log.exception("the report of %s could not be written", case.incident_id)
        return ""
