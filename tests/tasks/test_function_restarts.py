"""Functions begin anew, once for each key, and keep what they were told."""

from __future__ import annotations

import pytest

from ledger.cases import Case
from rules.errors import StepFailed
from tasks.function_restarts import restart_function, restarted_for
from tests.tasks.lambda_service import PLAIN, Service


def test_a_function_begins_anew_once_for_each_key(service: Service, acting: Case) -> None:
    """Its other variables stay; for the same key nothing is done again."""
    client = service.environment.aws.client("lambda")
    client.update_function_configuration(FunctionName=PLAIN, Environment={"Variables": {"STAGE": "qa"}})

    assert restarted_for.fn(service.environment, PLAIN) == ""
    assert restart_function.fn(service.environment, PLAIN, "AKIA…0001").changed
    assert not restart_function.fn(service.environment, PLAIN, "AKIA…0001").changed

    told = client.get_function_configuration(FunctionName=PLAIN)["Environment"]["Variables"]
    assert told == {"STAGE": "qa", "BACKSTOP_CREDENTIALS": "AKIA…0001"}
    assert restarted_for.fn(service.environment, PLAIN) == "AKIA…0001"


def test_a_function_that_is_not_there_is_said(service: Service, acting: Case) -> None:
    """A wrong name is an error with the name in it."""
    with pytest.raises(StepFailed, match="no-such-function"):
        restart_function.fn(service.environment, "no-such-function", "AKIA…0001")
