"""Recording releases: the memory that every rollback target comes from."""

from __future__ import annotations

import pytest

from blocks.settings import settings
from flows._release_memory import release_history
from flows.record_release import record_release
from rules.errors import NoWayBack, RecoveryRefused
from rules.outcomes import Verdict
from rules.rollback_targets import choose
from sandbox import faults
from sandbox.world import Sandbox
from tests.flows.broken_canary import Production

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def prod(fresh_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Production:
    """Prod with release 2 live and healthy, and a ledger that knows nothing."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()
    return Production.of(fresh_sandbox)


def test_a_release_that_works_is_remembered_as_good(prod: Production) -> None:
    """With the hashes of the code that was live when it was proven."""
    recorded = record_release.fn(prod.environment, prod.sandbox.release(2), recorded_by="pipeline")

    assert recorded.verdict is Verdict.PASS, recorded.verification.reasons
    [kept] = release_history(prod.environment)
    assert (kept.release, kept.verdict, kept.code) == (prod.sandbox.release(2), Verdict.PASS, prod.live())


def test_a_release_that_is_not_what_callers_get_is_not_proven(prod: Production) -> None:
    """The service is healthy, but it is not this release that makes it so."""
    recorded = record_release.fn(prod.environment, prod.sandbox.release(1))

    assert recorded.verdict is Verdict.FAIL
    assert choose(release_history(prod.environment), {}).candidates == ()


def test_a_service_that_cannot_be_judged_proves_nothing(prod: Production) -> None:
    """An alarm without data is not green: the release is written down, and is no target."""
    faults.start(prod.sandbox, "alarm-without-data")
    environment = prod.environment.model_copy(
        update={
            "platform": prod.environment.lambda_platform.model_copy(update={"verify_timeout_seconds": 10.0})
        }
    )

    recorded = record_release.fn(environment, prod.sandbox.release(2))

    assert recorded.verdict is Verdict.INCONCLUSIVE
    assert choose(release_history(prod.environment), {}).candidates == ()


def test_a_release_marked_as_bad_is_never_a_target(prod: Production) -> None:
    """Whatever its checks said before."""
    prod.prove(2)

    record_release.fn(prod.environment, prod.sandbox.release(2), mark_bad=True, reason="loses orders")

    choice = choose(release_history(prod.environment), {})
    assert choice.candidates == ()
    assert "broken" in choice.standings[0].reason


def test_bad_input_writes_nothing(prod: Production) -> None:
    """An unknown release, an impossible name, another account's credentials."""
    account = prod.environment.aws.model_copy(update={"account_id": "999999999999"})
    with pytest.raises(NoWayBack):
        record_release.fn(prod.environment, "never-built")
    with pytest.raises(RecoveryRefused):
        record_release.fn(prod.environment, "../x")
    with pytest.raises(RecoveryRefused):
        record_release.fn(prod.environment.model_copy(update={"account": account}), prod.sandbox.release(2))

    assert release_history(prod.environment) == []
