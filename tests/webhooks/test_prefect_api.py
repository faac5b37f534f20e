"""The calls that a dispatch makes, at a real Prefect server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import pytest

from webhooks.prefect_api import PrefectApi, PrefectAway, RunRefused

T = TypeVar("T")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "environment": {"type": "object", "position": 0, "title": "environment"},
        "severe": {"type": "boolean", "position": 1, "title": "severe"},
    },
    "required": ["environment"],
}


def asked(url: str, ask: Callable[[PrefectApi], Awaitable[T]]) -> T:
    """Ask over a connection of one's own."""

    async def call() -> T:
        api = PrefectApi(url)
        try:
            return await ask(api)
        finally:
            await api.close()

    return asyncio.run(call())


@pytest.fixture
def scenario(prefect_server: str) -> str:
    """A deployment named like a scenario, and an environment block, made over the same API."""
    name = f"scenario-{uuid4().hex[:8]}"
    with httpx.Client(base_url=prefect_server) as http:
        flow = http.post("/flows/", json={"name": name}).json()["id"]
        deployed = {
            "name": name,
            "flow_id": flow,
            "parameter_openapi_schema": SCHEMA,
            "enforce_parameter_schema": True,
        }
        http.post("/deployments/", json=deployed).raise_for_status()
        kind = http.get("/block_types/slug/environment")
        if kind.status_code == 404:
            kind = http.post("/block_types/", json={"name": "Environment", "slug": "environment"})
        fields = {"title": name, "type": "object", "properties": {"name": {"type": "string"}}}
        schema = http.post(
            "/block_schemas/", json={"fields": fields, "block_type_id": kind.json()["id"]}
        ).json()
        block = {
            "name": name,
            "data": {"name": name},
            "block_type_id": kind.json()["id"],
            "block_schema_id": schema["id"],
        }
        http.post("/block_documents/", json=block).raise_for_status()
    return name


def test_the_same_key_is_the_same_run(prefect_server: str, scenario: str) -> None:
    """Asking twice with one key gives one run, the second time as an old one; it is not over."""
    first, again, other = (
        asked(prefect_server, lambda api, key=key: api.create_run(scenario, scenario, {}, key))  # type: ignore[misc] # bound early
        for key in ("k1", "k1", "k2")
    )

    assert (first[1], again[1], other[1]) == (True, False, True)
    assert first[0] == again[0] != other[0]
    assert asked(prefect_server, lambda api: api.ended_as(first[0])) is None
    assert asked(prefect_server, lambda api: api.ended_as(str(uuid4()))) == "MISSING"
    with httpx.Client(base_url=prefect_server) as http:
        run = http.get(f"/flow_runs/{first[0]}").json()
        assert run["state_type"] == "SCHEDULED"
        assert "block_document_id" in run["parameters"]["environment"]["$ref"]
        http.post(f"/flow_runs/{first[0]}/set_state", json={"state": {"type": "CRASHED"}, "force": True})
    assert asked(prefect_server, lambda api: api.ended_as(first[0])) == "CRASHED"


def test_parameters_that_do_not_fit(prefect_server: str, scenario: str) -> None:
    """Prefect's refusal of a parameter is final."""
    with pytest.raises(RunRefused, match="severe"):
        asked(prefect_server, lambda api: api.create_run(scenario, scenario, {"severe": "very"}, "k"))


@pytest.mark.parametrize(
    ("missing", "words"), [("deployment", "deployment"), ("environment", "environment block")]
)
def test_what_is_not_registered(prefect_server: str, scenario: str, missing: str, words: str) -> None:
    """A deployment or a block that is not there yet is asked for again later."""
    names = ("nothing-there", scenario) if missing == "deployment" else (scenario, "nothing-there")

    with pytest.raises(PrefectAway, match=f"{words} .* is not registered"):
        asked(prefect_server, lambda api: api.create_run(*names, {}, "k"))


def test_no_server() -> None:
    """A server that is not there is away, not a failure."""
    with pytest.raises(PrefectAway, match="does not answer"):
        asked("http://127.0.0.1:1/api", lambda api: api.create_run("a", "b", {}, "k"))
    assert asked("http://127.0.0.1:1/api", lambda api: api.is_reachable()) is False
