"""`backstop readiness` says what would not work, why, and what to do; its exit code is for scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from blocks.docker_host import DockerHost
from tests.cli.conftest import Backstop
from tests.stored_backups import stored_in


def test_a_stack_that_is_not_there(
    backstop: Backstop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line says so with its reasons, also as data, and the command does not end well."""
    found = stored_in(tmp_path / "backups")
    platform = found.docker_stack.model_copy(update={"host": DockerHost(address="unix:///nowhere.sock")})
    told = found.model_copy(update={"platform": platform}).model_dump(
        mode="json", exclude={"block_type_slug"}
    )
    (tmp_path / "masking.yaml").write_text(yaml.safe_dump(told))
    monkeypatch.setenv("BACKSTOP_ENVIRONMENTS", str(tmp_path))
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.02")

    text, data = backstop("readiness"), backstop("readiness", "--environment", "masking", "--json")

    assert (text.code, data.code) == (3, 3), text.err
    assert "there is no backup" in text.out
    assert "hint: Make one: backstop backup." in text.out
    assert data.data["ready"] is False
    [environment] = data.data["environments"]
    assert {line["state"] for line in environment["lines"]} <= {"not ready", "unknown"}
    assert environment["seen"]["masking"]["backup"]["state"] == "not ready"
