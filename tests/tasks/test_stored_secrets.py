"""Secrets are looked at, never shown."""

from __future__ import annotations

import pytest
from botocore.stub import Stubber

from rules.errors import TransientFailure
from tasks.stored_secrets import secret_facts
from tests.tasks.lambda_service import Service

WORD = "planted-word-1234"


def test_what_is_read_is_thrown_away(service: Service) -> None:
    """The facts say that it can be read; its value is nowhere in them."""
    service.environment.aws.client("secretsmanager").create_secret(Name="practice/key", SecretString=WORD)

    seen = secret_facts.fn(service.environment, "practice/key")

    assert seen.readable
    assert WORD not in seen.model_dump_json()


def test_a_refusal_names_the_permission(service: Service) -> None:
    """A forbidden read is a fact, not an error: the message says what to allow."""
    client = service.environment.aws.client("secretsmanager")
    client.create_secret(Name="practice/key", SecretString=WORD)
    refused = "User: u is not authorized to perform: secretsmanager:GetSecretValue on resource: practice/key"
    described = {"Name": "practice/key", "VersionIdsToStages": {"v" * 32: ["AWSCURRENT"]}}
    with Stubber(client) as stub:
        stub.add_response("describe_secret", described)
        stub.add_client_error("get_secret_value", "AccessDeniedException", refused, http_status_code=400)

        seen = secret_facts.fn(service.environment, "practice/key")

    assert seen.readable is False
    assert "secretsmanager:GetSecretValue" in seen.refusal


def test_a_refused_description_is_told_too(service: Service) -> None:
    """Somebody who may not even look is told so; the secret is not called missing."""
    client = service.environment.aws.client("secretsmanager")
    with Stubber(client) as stub:
        stub.add_client_error("describe_secret", "AccessDeniedException", "no", http_status_code=400)

        seen = secret_facts.fn(service.environment, "practice/key")

    assert seen.exists
    assert "AccessDenied" in seen.refusal


def test_a_busy_aws_is_no_fact(service: Service) -> None:
    """Throttling is tried again; it never makes a secret unreadable."""
    client = service.environment.aws.client("secretsmanager")
    with Stubber(client) as stub:
        stub.add_client_error("describe_secret", "ThrottlingException", "slow down", http_status_code=400)

        with pytest.raises(TransientFailure):
            secret_facts.fn(service.environment, "practice/key")
