"""A state that stays locked, on real Terraform: who may be alive is never robbed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blocks.settings import settings
from flows._ladder import Request
from flows.stale_terraform_lock import recover
from ledger.database import open_ledger
from ledger.models import TimelineRow
from rules.drills import AllowedDrill, FaultName
from rules.errors import RecoveryRefused
from rules.outcomes import Ending
from rules.severity import Tier
from sandbox import breaking, faults
from sandbox.world import Sandbox
from tasks._terraform_survivors import nobody_left_from
from tasks.drill_faults import Wish, inject_fault, prepare_fault, undo_fault
from tests.flows.broken_canary import Production, steps, with_terraform

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(240)]

PAST = Request(requested_by="Ada", break_glass="the build host was switched off, I stand beside it")


@pytest.fixture
def locked(fresh_sandbox: Sandbox, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Production]:
    """A healthy prod with release 2 recorded; who waits for a lock waits a second."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()
    production = Production.of(fresh_sandbox)
    production.prove(2)
    production.environment = with_terraform(production.environment, lock_timeout_seconds=1)
    yield production
    breaking.release_lock(fresh_sandbox, "prod")


def test_a_lock_of_a_process_that_is_gone_is_removed(locked: Production) -> None:
    """Taken on this host, where no Terraform runs: with a person's word it is unlocked, and Terraform works again."""
    faults.start(locked.sandbox, "abandoned-terraform-lock")

    outcome = recover.fn(locked.environment, request=PAST)

    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert locked.lock() is None
    assert [(action, result) for action, _, result in steps(outcome)] == [("remove_lock", "changed")]
    assert recover.fn(locked.environment).ending is Ending.NOTHING_TO_DO


def test_what_only_a_hosts_name_proves_is_asked_for(locked: Production) -> None:
    """Many machines may be called so: the plan says that it needs a person."""
    faults.start(locked.sandbox, "abandoned-terraform-lock")
    before = locked.everything()

    rehearsed = recover.fn(locked.environment, rehearse=True)

    assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
    with open_ledger().reading() as session:
        told = [row.text for row in session.query(TimelineRow).filter_by(incident_id=rehearsed.incident)]
    assert any("one approver" in text for text in told)
    assert locked.everything() == before


@pytest.mark.parametrize("request_", [Request(), Request(insist=True), PAST])
def test_a_lock_of_somebody_else_is_never_broken(locked: Production, request_: Request) -> None:
    """Not by age, not by insisting, not past the guard: nothing proves that its holder is dead."""
    faults.start(locked.sandbox, "held-terraform-lock")
    before = locked.lock()

    outcome = recover.fn(locked.environment, request=request_)

    assert outcome.ending in (Ending.REFUSED, Ending.NOT_RECOVERED)
    assert "runner@build-7" in outcome.reason
    assert locked.lock() == before
    assert steps(outcome) == []


def test_a_living_terraform_of_this_host_is_not_robbed(locked: Production, tmp_path: Path) -> None:
    """While a Terraform that ran here when it was taken runs still, a lock of this host may be its."""
    alive = shutil.copy(str(shutil.which("sleep")), tmp_path / "terraform")
    running = subprocess.Popen([alive, "60"], cwd=tmp_path, start_new_session=True)
    try:
        breaking._lock(locked.sandbox, "prod", f"root@{socket.gethostname()}", taken := datetime.now(UTC))
        before = locked.lock()
        outcome = recover.fn(locked.environment, request=PAST)
    finally:
        running.kill()
        running.wait()

    assert outcome.ending in (Ending.REFUSED, Ending.NOT_RECOVERED)
    assert locked.lock() == before
    # Tests beside this one run Terraforms on this host too.
    locked.sandbox.wait_for(lambda: nobody_left_from(taken), "the neighbours' Terraforms end")
    assert recover.fn(locked.environment, request=PAST).ending is Ending.RECOVERED


def test_a_lock_that_goes_away_by_itself_is_waited_for(locked: Production) -> None:
    """Whoever works is given time; afterwards there is nothing to do."""
    environment = with_terraform(locked.environment, lock_timeout_seconds=60)
    faults.start(locked.sandbox, "held-terraform-lock")
    freeing = threading.Timer(2.0, breaking.release_lock, (locked.sandbox, "prod"))
    freeing.start()

    outcome = recover.fn(environment)
    freeing.join()

    assert outcome.ending is Ending.NOTHING_TO_DO, outcome.reason
    assert steps(outcome) == []


def test_the_runbooks_check_removes_the_lock_it_asks_about(locked: Production) -> None:
    """«Check who holds the lock: terraform force-unlock» takes it from a build that is at work."""
    faults.start(locked.sandbox, "held-terraform-lock")
    recover.fn(locked.environment)  # prepares a workspace, and leaves the lock alone
    held = locked.lock()
    assert held
    code = next(settings().home.glob("terraform/prod/*/code-*/infrastructure"))
    command = [locked.sandbox.terraform, "force-unlock", "-force", json.loads(held["Info"]["S"])["ID"]]
    subprocess.run(
        command, cwd=code, env=os.environ | locked.sandbox.variables(), check=True, capture_output=True
    )

    assert locked.lock() is None


def test_a_drills_lock_is_known_as_a_dead_processs_and_is_given_back(locked: Production) -> None:
    """Left by a process of ours that is dead: proven, without asking. The drill's own undo takes exactly it."""
    place = locked.environment.model_copy(update={"tier": Tier.PREPROD})
    wish = Wish(drill="drl-1", releases=(locked.sandbox.release(2),))
    note = prepare_fault(place, AllowedDrill(fault=FaultName.HELD_LOCK, alarm="unset"), wish)

    inject_fault(place, FaultName.HELD_LOCK, note)
    held = locked.lock()
    with pytest.raises(RecoveryRefused, match="locked already"):
        prepare_fault(place, AllowedDrill(fault=FaultName.HELD_LOCK, alarm="unset"), wish)
    outcome = recover.fn(place)

    assert held is not None
    assert note["lock"] in str(held)
    assert outcome.ending is Ending.RECOVERED, outcome.reason
    assert undo_fault(place, FaultName.HELD_LOCK, note) == ("", "")
    inject_fault(place, FaultName.HELD_LOCK, note)
    assert "was still there" in undo_fault(place, FaultName.HELD_LOCK, note)[0]
    assert locked.lock() is None
    faults.start(locked.sandbox, "held-terraform-lock")
    assert undo_fault(place, FaultName.HELD_LOCK, note) == ("", "")
    assert locked.lock() is not None
