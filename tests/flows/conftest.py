"""What tests of flows share: a production whose canary failed, and a preprod for Terraform to fail in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.settings import settings
from sandbox import breaking
from sandbox.world import Sandbox
from tests.flows.broken_canary import MOMENT, Production
from tests.flows.preprod_world import Preprod
from tests.stored_backups import backup_account

__all__ = ["backup_account"]


@pytest.fixture(scope="module")
def broken_sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox after release 3 was deployed to prod and its alarms went off, kept as a moment."""
    sandbox.reset()
    sandbox.deploy("prod", 3)
    sandbox.wait_for(
        lambda: sandbox.alarm_states("prod")["prod-sentiment-service"] == "ALARM", "the alarm fires"
    )
    sandbox.keep(MOMENT)
    yield sandbox
    sandbox.reset()


@pytest.fixture
def prod(broken_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Production:
    """Prod with release 3 live and failing; releases 1 and 2 are proven in this test's own ledger."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()
    broken_sandbox.reset(MOMENT)
    production = Production.of(broken_sandbox)
    production.prove(1, 2)
    return production


@pytest.fixture
def preprod(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Preprod]:
    """Preprod with release 2 live, which is proven, and an item in its table."""
    for name, value in fresh_sandbox.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()
    yield Preprod.of(fresh_sandbox)
    breaking.release_lock(fresh_sandbox, "preprod")
    fresh_sandbox.reset()
