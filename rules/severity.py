"""How bad it is, and how much the environment matters."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Situation(StrEnum):
    """What happened, in the words of runbook 001's matrix; the last two are runbook 000's levels 2 and 3."""

    TESTS_FAIL = "development tests fail"
    PREPROD_FAILS = "preprod fails"
    ROLLED_BACK = "production fails, the rollback works"
    NOT_ROLLED_BACK = "production fails, the rollback fails"
    DATA_CORRUPT = "data is corrupt"
    WRONG_PLACE = "a test reached into the wrong place"
    PRODUCTION_TOUCHED = "a test acted in production, or gave secrets away"


class Tier(StrEnum):
    """How much an environment matters, least first."""

    DEVELOPMENT = "development"
    QA = "qa"
    STAGING = "staging"
    PREPROD = "preprod"
    PRODUCTION = "production"


class Destructiveness(StrEnum):
    """What acting may cost: nothing that undo cannot return, a visible interruption, or data."""

    REVERSIBLE = "reversible"
    DISRUPTIVE = "disruptive"
    DESTRUCTIVE = "destructive"
