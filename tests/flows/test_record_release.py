"""Recording releases: the memory that every rollback target comes from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from blocks.environment import Environment
from blocks.settings import settings
from flows._release_memory import release_history
from flows.record_release import record_release
from rules.errors import NoWayBack, RecoveryRefused, StepFailed
from rules.outcomes import Verdict
from rules.rollback_targets import choose
from sandbox import breaking, faults
from sandbox.world import Sandbox
from tasks._terraform_ready import keep_ready
from tasks.repositories import commit_of
from tasks.terraform_runs import drift_of
from tests.flows.broken_canary import Production

pytestmark = [pytest.mark.real, pytest.mark.slow]


@dataclass(slots=True)
class Ready:
    """An environment whose Terraform obeys a switch."""

    environment: Environment
    release: str
    home: Path
    switch: Path

    @classmethod
    def with_switch(cls, prod: Production, folder: Path, home: Path) -> Ready:
        """The environment, with a script for its Terraform."""
        switch, script = folder / "no-init", folder / "terraform"
        binary = prod.environment.lambda_platform.terraform.binary
        script.write_text(f'#!/bin/sh\n[ "$1" = init ] && [ -e {switch} ] && exit 1\nexec {binary} "$@"\n')
        script.chmod(0o755)
        workspace = prod.environment.lambda_platform.terraform.model_copy(
            update={"binary": str(script), "lock_timeout_seconds": 1}
        )
        platform = prod.environment.lambda_platform.model_copy(update={"terraform": workspace})
        environment = prod.environment.model_copy(update={"platform": platform})
        return cls(environment, prod.sandbox.release(2), home, switch)

    @property
    def commit(self) -> str:
        """The release's commit."""
        return str(commit_of(self.environment.lambda_platform.terraform, self.release))

    def forbid_init(self) -> None:
        """From now on it cannot initialise."""
        self.switch.touch()

    def kept(self) -> list[Path]:
        """What is kept ready of this environment."""
        return list((self.home / "terraform-ready" / "prod").iterdir())


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


@pytest.fixture
def ready(prod: Production, own_home: Path, tmp_path: Path) -> Ready:
    """Release 2 recorded with a Terraform that can be kept from initialising, and no folder of an incident."""
    found = Ready.with_switch(prod, tmp_path, own_home)
    record_release.fn(found.environment, found.release)
    shutil.rmtree(own_home / "terraform")
    return found


def test_a_proven_release_is_returned_to_without_initialising(ready: Ready) -> None:
    """At 3 a.m. neither the Git server nor the registry of providers may be needed."""
    ready.forbid_init()

    assert drift_of(ready.environment, ready.release, ready.commit).exit_code == 0
    [kept] = ready.kept()
    assert kept.parent.stat().st_mode & 0o077 == 0


def test_a_kept_release_that_is_damaged_is_initialised_anew(ready: Ready) -> None:
    """A plugin cache was emptied, or a disk was tidied up: nobody should have to know."""
    [kept] = ready.kept()
    shutil.rmtree(next(kept.rglob("providers")))

    assert drift_of(ready.environment, ready.release, ready.commit).exit_code == 0


def test_comparing_while_somebody_applies_tells_nothing(ready: Ready, prod: Production) -> None:
    """Half of what they do would look like drift. Their lock stays theirs."""
    breaking.hold_lock(prod.sandbox, "prod")
    held = prod.lock()
    with pytest.raises(StepFailed, match="runner@build-7"):
        drift_of(ready.environment, ready.release, ready.commit)

    assert prod.lock() == held


def test_only_the_last_releases_are_kept_ready(ready: Ready, tmp_path: Path) -> None:
    """Providers are large."""
    [kept] = ready.kept()
    source = Path(shutil.copytree(kept, tmp_path / "code"))
    for number in range(5):
        keep_ready(ready.environment, f"{number}" * 40, source)

    assert sorted(each.name[0] for each in ready.kept()) == ["2", "3", "4"]
