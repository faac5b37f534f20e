"""What tests of flows share: a production whose canary failed, a preprod for Terraform to fail in, a Docker stack."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.environment import Environment
from blocks.settings import settings
from ledger.database import open_ledger
from rules.backups import BackupKind
from rules.retention import Proof
from sandbox import breaking
from sandbox.stack import reading
from sandbox.stack.environment import described
from sandbox.stack.moment import Moment
from sandbox.stack.stack import DockerStack
from sandbox.world import Sandbox
from tasks.backup_proofs import record_proof
from tasks.backups import Occasion, backup_names, take_backup
from tests.flows.broken_canary import MOMENT, Production
from tests.flows.broken_stack import BrokenStack
from tests.flows.deployed_stack import story
from tests.flows.janitor_world import JanitorWorld, fresh_name
from tests.flows.preprod_world import Preprod
from tests.stored_backups import backup_account
from tests.switchboard import make_environment, wire

__all__ = ["backup_account", "story"]

NOTICES = {"source": "environment", "name": "NOTICES_URL"}


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


@pytest.fixture(scope="session")
def proven_backup(docker_stack: DockerStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one backup of the session's stack as new, which is proven."""
    Moment(docker_stack).set_back()
    store = tmp_path_factory.mktemp("proven-backup")
    environment = stack_environment(docker_stack, store)
    made = take_backup.fn(environment, Occasion(kind=BackupKind.DEPLOY))
    record_proof.fn(environment, made.id, Proof.PROVEN)
    return store


@pytest.fixture
def broken_stack(
    fresh_stack: DockerStack, proven_backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> BrokenStack:
    """The stack as new, with a store of its own in which one backup is proven."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.2")
    settings.cache_clear()
    store = shutil.copytree(proven_backup, tmp_path / "backups")
    environment = stack_environment(fresh_stack, store)
    [backup] = backup_names.fn(environment)
    return BrokenStack(fresh_stack, environment, reading.read(fresh_stack), backup)


def stack_environment(stack: DockerStack, store: Path) -> Environment:
    """The stack's environment with its backups in this folder."""
    found = described(stack)
    found["platform"]["backups"]["directory"] = str(store)
    return Environment.model_validate(found)


@pytest.fixture
def janitor(
    prefect_server: str, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[JanitorWorld]:
    """The switches' scenario on a real server, both switches bad, an empty ledger, and no alarm routes."""
    from moto import mock_aws
    from prefect.client.orchestration import get_client

    routes = own_home / "routes.yaml"
    routes.write_text("environments: {}")
    monkeypatch.setenv("BACKSTOP_WEBHOOK_ROUTES", str(routes))
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.02")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    settings.cache_clear()
    with mock_aws(), get_client(sync_client=True) as client:
        environment = make_environment(fresh_name(), escalation={"notices": [NOTICES]})
        world = JanitorWorld(client, open_ledger(), environment, wire(tmp_path / "board"))
        yield world
        world.tidy()
