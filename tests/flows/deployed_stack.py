"""A Docker stack with a backup of before a deployment: what tests of its rollback share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.environment import Environment
from blocks.settings import settings
from flows._ladder import Request
from rules.backups import DATA, BackupKind, is_of
from sandbox.stack import composing
from sandbox.stack.environment import described
from sandbox.stack.stack import DockerStack
from tasks.backups import Occasion, backup_names, take_backup

INSIST = Request(requested_by="Ada", insist=True, reason="it got slower")


class Story:
    """A stack with a backup of before a deployment."""

    def __init__(self, stack: DockerStack, environment: Environment) -> None:
        self.stack, self.environment = stack, environment
        self.good = self.backup(BackupKind.DEPLOY)

    def backup(self, kind: BackupKind) -> str:
        """Make a backup now."""
        return take_backup.fn(self.environment, Occasion(kind=kind)).id

    def deploy(self, **variables: str) -> None:
        """Deploy release 2 with other settings, as Compose would: what they reach is made again."""
        settings = self.stack.home / ".env"
        settings.write_text(settings.read_text().replace("APP_RELEASE=1", "APP_RELEASE=2"))
        with self.stack.config_env.open("a") as config:
            config.writelines(f"{name}={value}\n" for name, value in variables.items())
        for service in ("app", "kong"):
            self.stack.container(service).remove(force=True)
        composing.up(self.stack.client, self.stack.file)
        self.stack.wait_until_ready()

    def snapshot(self) -> str:
        """The newest backup that a rollback made."""
        return next(each for each in backup_names.fn(self.environment) if is_of(BackupKind.ROLLBACK, each))

    def runs(self) -> dict[str, Any]:
        """What each container is, and since when it runs."""
        project = self.stack.addresses.project
        return {
            str(each.name).removeprefix(project): (each.id, each.attrs["State"]["StartedAt"])
            for name in (project, self.stack.foreign.project)
            for each in composing.containers(self.stack.client, name)
        }

    def variable(self, service: str, name: str) -> list[str]:
        """What a container has of a variable."""
        told = self.stack.container(service).attrs["Config"]["Env"]
        return [each.partition("=")[2] for each in told if each.startswith(f"{name}=")]


@pytest.fixture
def story(fresh_stack: DockerStack, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """Give a test a healthy stack with 200 keys and its backup, and see that the foreign stack stays untouched."""
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.3")
    settings.cache_clear()
    fresh_stack.fill(200)
    found = described(fresh_stack) | {"tier": "staging"}
    found["platform"]["verify_timeout_seconds"] = 30
    found["platform"]["backups"]["directory"] = str(tmp_path / "backups")
    made = Story(fresh_stack, Environment.model_validate(found))
    foreign = made.runs()["-billing-redis"]
    yield made
    assert made.runs()["-billing-redis"] == foreign


def spoil(environment: Environment, backup: str) -> None:
    """Change one bit of a backup's data."""
    file = Path(environment.docker_stack.backups.directory or "") / environment.name / backup / DATA
    file.chmod(0o600)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
