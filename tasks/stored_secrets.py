"""Secrets in AWS Secrets Manager: whether they can be read, without showing them, and bringing one back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.errors import StepFailed, TransientFailure
from rules.outcomes import Effect
from rules.secret_faults import SecretFacts
from tasks.kinds import action, probe

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_CURRENT = "AWSCURRENT"
_MOST_NAMES = 5
_MOST_PAGES = 20


@probe
def secret_facts(environment: Environment, name: str) -> SecretFacts:
    """What can be seen of a secret. It is really read, and what was read is thrown away at once.

    Permissions: secretsmanager:DescribeSecret, secretsmanager:GetSecretValue, secretsmanager:ListSecrets
    """
    client = environment.aws.client("secretsmanager")
    try:
        with translated(f"describe the secret {name}"):
            told = client.describe_secret(SecretId=name)
    except NotThere:
        return SecretFacts(name=name, exists=False, similar=_similar(client, name))
    except TransientFailure:
        raise
    except StepFailed as error:
        return SecretFacts(name=name, exists=True, refusal=error.message)
    stages = told.get("VersionIdsToStages") or {}
    facts = SecretFacts(
        name=name,
        exists=True,
        deletion_at=_moment(told, "DeletedDate"),
        has_current=any(_CURRENT in names for names in stages.values()),
        changed_at=_moment(told, "LastChangedDate"),
        rotates=bool(told.get("RotationEnabled")),
    )
    if facts.deletion_at or not facts.has_current:
        return facts
    refusal = _refusal(client, name)
    return facts.model_copy(update={"readable": not refusal, "refusal": refusal})


def _moment(told: Mapping[str, Any], name: str) -> datetime | None:
    at: datetime | None = told.get(name)
    return at.astimezone(UTC) if at else None


def _refusal(client: SecretsManagerClient, name: str) -> str:
    """Why the secret cannot be read; empty: it can."""
    try:
        with translated(f"read the secret {name}"):
            client.get_secret_value(SecretId=name, VersionStage=_CURRENT)
    except TransientFailure:
        raise
    except StepFailed as error:
        return error.message
    return ""


def _similar(client: SecretsManagerClient, name: str) -> tuple[str, ...]:
    """Names that look like it, where they may be listed."""
    names: list[str] = []
    try:
        with translated("list the secrets"):
            for number, page in enumerate(client.get_paginator("list_secrets").paginate()):
                names += [secret["Name"] for secret in page["SecretList"]]
                if number + 1 >= _MOST_PAGES:
                    break
    except StepFailed:
        return ()
    return tuple(get_close_matches(name, names, n=_MOST_NAMES, cutoff=0.6))


@action(subject="{name}")
def restore_secret(environment: Environment, name: str) -> Effect:
    """Take a secret back from its scheduled deletion. Repeating it changes nothing.

    Permissions: secretsmanager:DescribeSecret, secretsmanager:RestoreSecret
    """
    client = environment.aws.client("secretsmanager")
    with translated(f"restore the secret {name}"):
        deletion = _moment(client.describe_secret(SecretId=name), "DeletedDate")
        if deletion is None:
            return Effect(subject=name, changed=False, after="kept", detail="no deletion is scheduled")
        client.restore_secret(SecretId=name)
    before = f"deleted for good on {deletion:%Y-%m-%d}"
    return Effect(subject=name, changed=True, before=before, after="kept")
