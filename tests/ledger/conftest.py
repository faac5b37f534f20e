"""An open ledger on SQLite and on PostgreSQL, for every promise of the ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.cases import Case
from ledger.database import Ledger, open_ledger
from tests.ledger.samples import opened


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger, once on each database."""
    ledger = open_ledger(ledger_url)
    yield ledger
    ledger.close()


@pytest.fixture
def case(ledger: Ledger) -> Case:
    """An open incident of this process, with its lease."""
    return opened(ledger)
