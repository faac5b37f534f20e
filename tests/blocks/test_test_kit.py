"""A test kit's environment: described strictly, and no other platform's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.environment import Environment
from rules.errors import RecoveryRefused

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/qa-orders"
DESCRIBED: dict[str, Any] = {
    "name": "qa",
    "tier": "qa",
    "account": {"account_id": "123456789012", "region": "eu-west-1"},
    "platform": {
        "kind": "test_kit",
        "command": ["itk", "run"],
        "folder": "/srv/itk",
        "artifacts": "/srv/itk/artifacts",
        "queues": [{"url": QUEUE, "tests_publish": True}],
        "copies": {"directory": "/srv/copies", "key": {"source": "environment", "name": "COPIES_KEY"}},
    },
}


def described(**changes: Any) -> dict[str, Any]:
    """The environment with another platform field."""
    return DESCRIBED | {"platform": DESCRIBED["platform"] | changes}


def test_it_survives_its_way_through_prefect() -> None:
    """What Prefect stores gives the same environment back, of the same kind."""
    environment = Environment(**DESCRIBED)

    again = Environment.model_validate(json.loads(environment.model_dump_json()))

    assert again == environment
    assert again.test_kit.targets == (QUEUE,)


def test_it_is_no_service_of_lambda_functions() -> None:
    """Whoever asks for another platform's parts is refused with one clear sentence."""
    with pytest.raises(
        RecoveryRefused, match=r"a Terraform and Lambda service, and qa is of the kind `test_kit`"
    ):
        _ = Environment(**DESCRIBED).lambda_platform


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "mainframe"}, "docker_stack"),
        ({"queues": [{"url": QUEUE}]}, "tests_publish"),
        ({"queues": [{"url": QUEUE, "tests_publish": True}, {"url": QUEUE}]}, "named twice"),
        ({"queues": [{"url": "https://evil.example.com/q?x", "tests_publish": True}]}, "url"),
        ({"folder": "/srv/../etc"}, "`..`"),
        ({"artefacts": "/x"}, "Did you mean `artifacts`"),
        ({"copies": {"key": {"source": "environment", "name": "K"}}}, "either a `directory` or a `bucket`"),
        ({"blocked_accounts": ["12"]}, "blocked_accounts"),
    ],
)
def test_bad_input_is_refused_by_name(changes: dict[str, Any], told: str) -> None:
    """One clear error for each, that names what is wrong."""
    with pytest.raises(ValidationError) as refused:
        Environment(**described(**changes))

    assert told in str(refused.value)
