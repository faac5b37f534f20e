"""The calls that a dispatch makes, at a real Prefect server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar, cast
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


def made(http: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the server made of it. On SQLite it refuses a write that meets another one: then ask again."""
    for _ in range(100):
        answer = http.post(path, json=body)
        if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            return cast("dict[str, Any]", answer.raise_for_status().json())
        time.sleep(0.1)
    raise AssertionError(f"{path}: the server stayed busy")


def placed(url: str, scenario: str, key: str) -> tuple[str, bool]:
    """Create a run as the dispatcher does: again while the server says that it is busy."""
    for _ in range(100):
        try:
            return asked(url, lambda api: api.create_run(scenario, scenario, {}, key))
        except PrefectAway:
            time.sleep(0.1)
    raise AssertionError("the server stayed busy")


@pytest.fixture
def scenario(prefect_server: str) -> str:
    """A deployment named like a scenario, and an environment block, made over the same API."""
    name = f"scenario-{uuid4().hex[:8]}"
    with httpx.Client(base_url=prefect_server) as http:
        deployed = {
            "name": name,
            "flow_id": made(http, "/flows/", {"name": name})["id"],
            "parameter_openapi_schema": SCHEMA,
            "enforce_parameter_schema": True,
        }
        made(http, "/deployments/", deployed)
        found = http.get("/block_types/slug/environment")
        missing = found.status_code == HTTPStatus.NOT_FOUND
        described = {"name": "Environment", "slug": "environment"}
        kind = made(http, "/block_types/", described) if missing else found.json()
        fields = {"title": name, "type": "object", "properties": {"name": {"type": "string"}}}
        schema = made(http, "/block_schemas/", {"fields": fields, "block_type_id": kind["id"]})
        block = {
            "name": name,
            "data": {"name": name},
            "block_type_id": kind["id"],
            "block_schema_id": schema["id"],
        }
        made(http, "/block_documents/", block)
    return name


def test_the_same_key_is_the_same_run(prefect_server: str, scenario: str) -> None:
    """Asking twice with one key gives one run, the second time as an old one; it is not over."""
    first, again, other = (placed(prefect_server, scenario, key) for key in ("k1", "k1", "k2"))

    assert (first[1], again[1], other[1]) == (True, False, True)
    assert first[0] == again[0] != other[0]
    assert asked(prefect_server, lambda api: api.ended_as(first[0])) is None
    assert asked(prefect_server, lambda api: api.ended_as(str(uuid4()))) == "MISSING"
    with httpx.Client(base_url=prefect_server) as http:
        run = http.get(f"/flow_runs/{first[0]}").json()
        assert run["state_type"] == "SCHEDULED"
        assert "block_document_id" in run["parameters"]["environment"]["$ref"]
        made(http, f"/flow_runs/{first[0]}/set_state", {"state": {"type": "CRASHED"}, "force": True})
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
