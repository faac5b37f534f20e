"""Environments whose platform is a Docker stack, as their files describe them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.docker_stack import DockerStackPlatform
from blocks.environment import Environment
from deployments.forms import form
from flows import canary_failure
from rules.errors import RecoveryRefused
from tests.switchboard import make_environment

DESCRIBED: dict[str, Any] = {
    "name": "masking",
    "tier": "production",
    "platform": {
        "kind": "docker_stack",
        "host": {"address": "unix:///var/run/docker.sock", "engine_id": "ABCD:EFGH:1234"},
        "project": "claude",
        "services": ["redis", "app", "kong", "nginx"],
        "config_file": "/srv/masking/config.env",
        "redis": {"port": 16379, "password": {"source": "file", "name": "/srv/masking/password"}},
        "gateway": {"admin_url": "http://127.0.0.1:8001", "proxy_url": "http://127.0.0.1:8000"},
        "masking": {"url": "http://127.0.0.1:8085/"},
        "health": [{"name": "nginx", "url": "http://127.0.0.1:8085", "path": "/health"}],
        "backups": {"directory": "/srv/backups", "seal": {"source": "environment", "name": "BACKUP_KEY"}},
    },
}

Edit = Callable[[dict[str, Any]], object]


def described(*edits: Edit) -> dict[str, Any]:
    """The description with some things changed in its platform."""
    changed = copy.deepcopy(DESCRIBED)
    for edit in edits:
        edit(changed["platform"])
    return changed


def test_a_docker_environment_survives_its_way_through_prefect() -> None:
    """What Prefect stores gives the same stack back, without an AWS account."""
    environment = Environment(**DESCRIBED)

    stored = json.loads(environment.model_dump_json())

    assert Environment.model_validate(stored) == environment
    assert isinstance(environment.platform, DockerStackPlatform)
    assert environment.docker_stack.project == "claude"
    assert environment.account is None


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda p: p.update(kind="docker"), "docker_stack"),
        (lambda p: p.update(project="Claude Enterprise"), "project"),
        (lambda p: p.update(project="claude*"), "project"),
        (lambda p: p["services"].remove("kong"), "not among `services`"),
        (lambda p: p["services"].append("redis"), "named twice"),
        (lambda p: p["host"].update(address="tcp://10.0.0.7:2375"), "everybody who reaches it is root"),
        (lambda p: p["host"].update(adress="unix:///x"), "Did you mean `address`"),
        (lambda p: p["backups"].update(plain=True), "either `seal` or `plain`"),
        (lambda p: p["backups"].update(bucket="acme-backups"), "has no `bucket`"),
        (lambda p: p.update(backups={"kind": "s3"}), "needs `bucket`"),
        (lambda p: p.update(backups={"kind": "s3", "bucket": "acme-backups"}), "need `account`"),
        (lambda p: p["masking"].update(mapping_key="aws_masker:rev"), "needs {identifier}"),
        (lambda p: p["health"][0].update(function="prod-dashboard"), "has no functions"),
        (lambda p: p["redis"].update(password="hunter2"), "password"),
    ],
)
def test_a_wrong_description_is_refused(edit: Edit, told: str) -> None:
    """Each mistake is named, and nothing is guessed."""
    with pytest.raises(ValidationError) as refused:
        Environment.model_validate(described(edit))

    assert told in str(refused.value)


def test_each_platform_is_asked_for_by_name() -> None:
    """A scenario of one platform refuses an environment of the other, with one clear error and a hint."""
    stack, service = Environment(**DESCRIBED), make_environment()

    for refused, kind in (
        (lambda: stack.lambda_platform, "docker_stack"),
        (lambda: service.docker_stack, "lambda"),
        (lambda: stack.aws, "no AWS account"),
    ):
        with pytest.raises(RecoveryRefused, match=kind) as told:
            refused()
        assert told.value.hint


def test_a_lambda_environment_still_needs_its_account() -> None:
    """What became optional for Docker did not become optional for AWS."""
    with pytest.raises(ValidationError, match="needs `account`"):
        make_environment(account=None)


def test_the_forms_still_offer_environments() -> None:
    """A flow's form refers to environment blocks, whichever platforms there are."""
    shown = form(canary_failure.recover)

    assert shown["properties"]["environment"]["title"]
    assert shown["definitions"]["Environment"]["block_type_slug"] == "environment"
