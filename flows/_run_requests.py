"""Asking the Prefect server for a scenario's run: the same key gives the same run, whoever asks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import prefect.exceptions
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from blocks.environment import Environment
from rules.errors import RecoveryRefused, TransientFailure

_FOR_GOOD = (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


def ask_for_run(
    client: SyncPrefectClient,
    scenario: str,
    environment: str,
    parameters: dict[str, Any],
    key: str,
    tags: tuple[str, ...],
) -> FlowRun:
    """The scenario's run under this idempotency key: a new one, or the one that was asked for before.

    Raises:
        RecoveryRefused: the server refuses these parameters for good.
        TransientFailure: asking again later may work: no answer, or the deployment or environment is not registered.
    """
    try:
        deployment = client.read_deployment_by_name(f"{scenario}/{scenario}")
        block = client.read_block_document_by_name(environment, Environment.get_block_type_slug())
        return client.create_flow_run_from_deployment(
            deployment.id,
            parameters=parameters | {"environment": {"$ref": {"block_document_id": str(block.id)}}},
            idempotency_key=key,
            tags=tags,
        )
    except prefect.exceptions.ObjectNotFound as error:
        raise TransientFailure(
            f"The deployment or the environment of {scenario} in {environment} is not registered.",
            hint="Register them: backstop apply.",
        ) from error
    except prefect.exceptions.PrefectHTTPStatusError as error:
        code = error.response.status_code
        if code in _FOR_GOOD:
            raise RecoveryRefused(
                f"Prefect refuses a run of {scenario} in {environment}: {error.response.text[:300]}",
                hint=f"`backstop scenarios {scenario}` shows its parameters.",
            ) from error
        raise TransientFailure(f"Prefect's API answers {code}.") from error
