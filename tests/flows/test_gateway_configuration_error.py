"""A gateway that does not answer, on the practice stack."""

from __future__ import annotations

from functools import partial

import httpx
import pytest

from flows._stack_repairs import repair_rung
from flows.gateway_configuration_error import _decide, _detect, recover
from ledger.cases import Case
from rules.backups import BackupKind
from rules.retention import Proof
from sandbox.stack.stack import wait_for
from tasks.backup_contents import read_backup
from tasks.backup_proofs import record_proof
from tasks.backups import Occasion, backup_names, take_backup
from tests.flows.broken_canary import steps
from tests.flows.broken_stack import BrokenStack

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_it_gets_its_file_back_and_what_somebody_wrote_is_kept(broken_stack: BrokenStack) -> None:
    """Only the gateway is restarted; the broken file is in a backup of its own."""
    broken_stack.break_it("broken-gateway-file")
    wrote = (broken_stack.stack.home / "kong.yml").read_bytes()

    outcome = broken_stack.recovered(recover.fn)

    assert [step[0] for step in steps(outcome)] == ["put_files_back", "stop_service", "start_service"]
    newest, _ = backup_names.fn(broken_stack.environment)
    kept = read_backup.fn(broken_stack.environment, newest)
    assert wrote in [file.content for file in kept.mounted]


def test_a_refused_connection_is_the_same_symptom(broken_stack: BrokenStack) -> None:
    """A gateway that ended is recovered as one that answers 500."""
    broken_stack.break_it("broken-gateway-file")
    broken_stack.stack.container("kong").stop(timeout=2)

    broken_stack.mended(recover.fn)


def test_a_file_that_cannot_be_parsed_is_never_put_in(broken_stack: BrokenStack) -> None:
    """The gateway's own image judges it first: a backup that was made of the broken file helps nobody."""
    environment = broken_stack.environment
    broken_stack.break_it("broken-gateway-file")
    bad = take_backup.fn(environment, Occasion(kind=BackupKind.DEPLOY)).id
    record_proof.fn(environment, bad, Proof.PROVEN)
    (broken_stack.stack.home / "kong.yml").write_text("{", encoding="utf-8")

    outcome = broken_stack.refused(recover.fn)

    assert "cannot be parsed either" in outcome.reason
    assert "failed parsing declarative configuration" in outcome.reason
    assert not broken_stack.stack.client.containers.list(all=True, filters={"label": "backstop.check"})


def test_files_that_are_as_they_were_are_not_blamed(broken_stack: BrokenStack) -> None:
    """A gateway that somebody stopped has no configuration error: the report names the scenario that helps."""
    broken_stack.stack.container("kong").stop(timeout=2)

    outcome = broken_stack.refused(recover.fn)

    assert "its configuration is not what is wrong" in outcome.reason


def test_undone_it_runs_with_the_files_that_it_had(broken_stack: BrokenStack, acting: Case) -> None:
    """What somebody wrote is in its place again, and the gateway has read it: it answers as it did."""
    environment, gateway = broken_stack.environment, broken_stack.stack.addresses.admin
    broken_stack.break_it("broken-gateway-file")
    wrote = (broken_stack.stack.home / "kong.yml").read_bytes()
    answered = status(gateway)
    rung = repair_rung(environment, "back", partial(_decide, environment, ""), lambda _backup: [])
    plan = rung.decide(_detect(environment))
    before = rung.snapshot(plan)
    rung.act(plan)
    assert status(gateway) == 200 != answered

    for step in rung.undo(plan, before):
        step()

    assert (broken_stack.stack.home / "kong.yml").read_bytes() == wrote
    wait_for(lambda: status(gateway) == answered, "it answers as before", 10)
    again = rung.decide(_detect(environment))
    assert again.changes == plan.changes


def status(port: int) -> int:
    """What the gateway's admin API answers; 0: nothing."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/status", timeout=2).status_code
    except httpx.HTTPError:
        return 0


def test_the_runbooks_validator_judges_nothing(broken_stack: BrokenStack) -> None:
    """`kong config -c FILE` fails on a good file; `kong config parse FILE` passes it."""
    gateway, file = broken_stack.stack.container("kong"), "/usr/local/kong/declarative/kong.yml"

    assert gateway.exec_run(["kong", "config", "-c", file]).exit_code != 0
    assert gateway.exec_run(["kong", "config", "parse", file]).exit_code == 0
