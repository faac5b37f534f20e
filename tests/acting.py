"""An incident that may act, for tests that call actions alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.cases import Case, current_case
from ledger.database import open_ledger
from ledger.holders import this_process
from ledger.incidents import Opening, open_case
from rules.outcomes import Phase


@pytest.fixture
def acting(own_home: Path) -> Iterator[Case]:
    """A real open incident with its lease on this test's ledger, in its act phase."""
    opening = Opening("test", "practice", "staging", 60)
    case = open_case(open_ledger(), opening, this_process(), 30)
    case.enter(Phase.ACT)
    token = current_case.set(case)
    with case.may_act():
        yield case
    current_case.reset(token)
