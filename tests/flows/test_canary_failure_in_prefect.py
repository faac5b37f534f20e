"""The same recovery as a Prefect flow run: tasks, retries and threads are Prefect's, the result is the same."""

from __future__ import annotations

import pytest

from flows.canary_failure import recover
from tests.flows.broken_canary import Production

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]


def test_it_recovers_as_a_flow_run(prefect_server: str, prod: Production) -> None:
    """The run ends in a state named after the ending, and prod runs the proven release."""
    state = recover(prod.environment, return_state=True)

    assert state.is_completed(), state.message
    assert state.name == "Recovered"
    assert prod.runs(2)
