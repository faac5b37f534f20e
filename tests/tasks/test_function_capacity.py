"""How many calls functions take, on moto."""

from __future__ import annotations

import pytest

from ledger.cases import Case
from tasks.function_capacity import all_capacity, give_capacity, take_offline
from tests.tasks.lambda_service import ALIASED, PLAIN, Service


@pytest.mark.parametrize("before", [None, 5])
def test_capacity_is_taken_and_comes_back_as_it_was(
    service: Service, acting: Case, before: int | None
) -> None:
    """Each once: the second time finds it done; the other function is left alone."""
    if before is not None:
        client = service.environment.aws.client("lambda")
        client.put_function_concurrency(FunctionName=PLAIN, ReservedConcurrentExecutions=before)

    taken = [take_offline(service.environment, PLAIN).changed for _ in range(2)]
    assert all_capacity(service.environment) == {PLAIN: 0, ALIASED: None}
    given = [give_capacity(service.environment, PLAIN, before).changed for _ in range(2)]

    assert taken == given == [True, False]
    assert all_capacity(service.environment) == {PLAIN: before, ALIASED: None}
