"""Backups as people and schedules ask for them: by flow, by command, by the clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flow_engine import run_flow

from blocks.docker_host import DockerHost
from blocks.environment import Environment
from blocks.settings import settings
from cli.main import app
from deployments.apply import apply_deployments, specification
from deployments.changes import Applied, Kind
from deployments.prefect_yaml import read_prefect_yaml
from deployments.register import register
from deployments.schedules import schedule_each
from flows.backup import backup
from ledger import leases, newest_backups
from ledger.database import open_ledger
from ledger.holders import this_process
from rules.backups import BackupKind, BackupManifest
from rules.errors import LeaseHeld, RecoveryRefused
from tasks.backups import read_backups
from tests.switchboard import make_environment

pytestmark = [pytest.mark.real, pytest.mark.slow]


def hold(environment: Environment) -> None:
    """Let an incident act on the environment."""
    with open_ledger().session() as session:
        now = datetime.now(UTC)
        leases.acquire(session, environment.name, "stack-1", this_process("the tests"), now, 60)


def test_a_deployment_is_backed_up(masking: Environment) -> None:
    """The manifest says why, for whom, and what a restore must bring back."""
    made: BackupManifest = backup.fn(
        masking, BackupKind.DEPLOY, reason="release 42", requested_by="ada", critical=True
    )

    assert read_backups.fn(masking) == [made]
    assert (made.kind, made.reason, made.requested_by, made.critical) == ("deploy", "release 42", "ada", True)
    with open_ledger().reading() as session:
        assert [(row.backup, row.began_at) for row in newest_backups.listed(session)] == [
            (made.id, made.began_at)
        ]


def test_another_platform_or_engine_is_refused(masking: Environment) -> None:
    """One clear error before anything is written."""
    host = DockerHost(address=masking.docker_stack.host.address, engine_id="ANOTHER1")
    platform = masking.docker_stack.model_copy(update={"host": host})

    with pytest.raises(RecoveryRefused, match="engine that answers is"):
        backup.fn(masking.model_copy(update={"platform": platform}))
    assert read_backups.fn(masking) == []


def test_a_service_of_functions_has_no_such_backup(service_account: None) -> None:
    """A Lambda environment is refused with the kind that is wanted."""
    with pytest.raises(RecoveryRefused, match="a Docker stack"):
        backup.fn(make_environment())


@pytest.fixture
def service_account(monkeypatch: pytest.MonkeyPatch) -> object:
    """Give a test an AWS account that answers who it is."""
    from moto import mock_aws

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


def test_by_the_clock_it_is_skipped_while_an_incident_acts(masking: Environment, prefect_server: str) -> None:
    """A scheduled run says so and is done; a deployment's run fails, so that it waits."""
    hold(masking)

    skipped = cast("State[object]", backup(masking, BackupKind.SCHEDULED, return_state=True))
    assert (skipped.type.value, skipped.name) == ("COMPLETED", "Skipped")
    with pytest.raises(LeaseHeld, match="stack-1"):
        backup(masking, BackupKind.DEPLOY)
    assert read_backups.fn(masking) == []


def test_each_docker_stack_is_scheduled_and_nothing_else(masking: Environment, prefect_server: str) -> None:
    """Every five minutes for each stack, with its environment; twice is once; without a stack nothing is scheduled."""
    entries = [entry for entry in read_prefect_yaml().deployments if entry.name == "backup"]
    with get_client(sync_client=True) as client:
        register(client, [masking, lambdas := make_environment("lambdas")], note="backup_schedules")
        applied, there = list[Applied](), []
        for environments in ([masking, lambdas], [masking, lambdas], [lambdas]):
            [(name, spec)] = [specification(entry) for entry in entries]
            schedule_each(client, wanted := {name: spec}, entries, environments)
            mine = {name: {**spec, "tags": ["backup-schedules"]} for name, spec in wanted.items()}
            applied += apply_deployments(client, mine, ours="backup-schedules")
            there = client.read_deployment_by_name(name).schedules
            if environments[0] is masking:
                [schedule] = there
                block = client.read_block_document_by_name(masking.name, Environment.get_block_type_slug())
                assert schedule.slug == f"five-minutes-{masking.name}"
                assert schedule.active
                assert schedule.parameters == {
                    "kind": "scheduled",
                    "environment": {"$ref": {"block_document_id": str(block.id)}},
                }
                if len(applied) == 1:
                    deployment = client.read_deployment_by_name(name).id
                    run = client.create_flow_run_from_deployment(deployment, parameters=schedule.parameters)
                    run_flow(backup, flow_run=run)  # as the responder does when it is due
        assert there == []
        apply_deployments(client, {}, ours="backup-schedules")
        register(client, [], note="backup_schedules")

    assert [made.kind for made in read_backups.fn(masking)] == [BackupKind.SCHEDULED]
    assert [done.kind for done in applied] == [Kind.CREATED, Kind.UNCHANGED, Kind.UPDATED], applied


def test_the_command_backs_up_and_lists(
    masking: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`backstop backup` at the start of deploy.sh, with no server; it is printed, listed, and tested once."""
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "masking.yaml").write_text(yaml.safe_dump(masking.model_dump(mode="json", exclude_none=True)))
    monkeypatch.setenv("BACKSTOP_ENVIRONMENTS", str(folder))
    settings.cache_clear()

    assert app(["backup", "-e", "masking", "--reason", "release 42", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert app(["backup", "-e", "masking", "--list", "--json"]) == 0

    listed = {"manifest": made, "proof": "untested", "in_trash": False}
    assert json.loads(capsys.readouterr().out) == [listed]
    assert (made["kind"], made["reason"]) == ("deploy", "release 42")
    assert app(["backup", "-e", "masking", "--test", "--json"]) == 0
    [trial] = json.loads(capsys.readouterr().out)
    assert trial["backup"] == made["id"]
    assert app(["backup", "-e", "masking", "--test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert app(["backup", "-e", "masking", "--list"]) == 0
    assert "proven" in capsys.readouterr().out
