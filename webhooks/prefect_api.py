"""The calls of Prefect's API that a dispatch needs, over plain HTTP: importing Prefect costs two seconds."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx

_OVER = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
_KEPT_SECONDS = 30.0
"""How long an id is believed: a block may be made anew, and Prefect accepts a run with an id that is gone."""


class PrefectAway(Exception):
    """Raised when asking again later may work: no answer, 5xx, 429, a deployment not registered yet."""


class RunRefused(Exception):
    """Raised when Prefect refuses the run for good: its parameters do not fit the flow (409, 422)."""


class PrefectApi:
    """One connection to Prefect's API. `auth` is `user:password`, or empty."""

    def __init__(self, url: str, auth: str = "") -> None:
        user, _, password = auth.partition(":")
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            auth=httpx.BasicAuth(user, password) if auth else None,
            timeout=httpx.Timeout(10.0, connect=3.0),
        )
        self._client_id = str(uuid.uuid4())
        self._ids: dict[str, tuple[float, str]] = {}

    async def create_run(
        self, scenario: str, environment: str, parameters: dict[str, Any], key: str
    ) -> tuple[str, bool]:
        """Ask for an incident's flow run; the same key gives the same run. Returns its id, and if it is new.

        Raises:
            PrefectAway: it may or may not exist now; asking again with the same key finds out.
            RunRefused: there will be no run.
        """
        name = f"{scenario}/{scenario}"
        deployment = await self._id(f"/deployments/name/{name}", f"the deployment {name}")
        block = await self._id(
            f"/block_types/slug/environment/block_documents/name/{environment}",
            f"the environment block {environment}",
        )
        answer = await self._call(
            "POST",
            f"/deployments/{deployment}/create_flow_run",
            json={
                "parameters": {"environment": {"$ref": {"block_document_id": block}}} | parameters,
                "idempotency_key": key,
                "tags": ["alarm"],
            },
        )
        if answer.status_code == 404:
            self._ids.clear()
            raise PrefectAway(f"the deployment {name} was removed")
        if answer.status_code in (409, 422):
            raise RunRefused(f"Prefect refused the run ({answer.status_code}): {answer.text[:500]}")
        return str(_json(answer)["id"]), answer.status_code == 201

    async def ended_as(self, flow_run_id: str) -> str | None:
        """The state type that a run ended in, `MISSING` when it is gone, None while it is not over.

        Raises:
            PrefectAway: it cannot be told now.
        """
        answer = await self._call("GET", f"/flow_runs/{flow_run_id}")
        if answer.status_code in (404, 422):
            return "MISSING"
        state = str(_json(answer).get("state_type") or "")
        return state if state in _OVER else None

    async def is_reachable(self) -> bool:
        """Whether the API answers."""
        try:
            return (await self._http.get("/health", timeout=2.0)).status_code == 200
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Give up the connection."""
        await self._http.aclose()

    async def _id(self, path: str, what: str) -> str:
        kept = self._ids.get(path)
        if kept and time.monotonic() - kept[0] < _KEPT_SECONDS:
            return kept[1]
        answer = await self._call("GET", path)
        if answer.status_code == 404:
            raise PrefectAway(f"{what} is not registered; run `backstop up` or the registration")
        found = str(_json(answer)["id"])
        self._ids[path] = (time.monotonic(), found)
        return found

    async def _call(self, method: str, path: str, json: dict[str, Any] | None = None) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, json=json)
            if answer.status_code == 403 and "csrf" in answer.text.lower():
                await self._take_csrf_token()
                answer = await self._http.request(method, path, json=json)
        except httpx.HTTPError as error:
            raise PrefectAway(f"Prefect's API does not answer: {type(error).__name__}") from error
        if answer.status_code >= 500 or answer.status_code in (401, 403, 408, 429):
            raise PrefectAway(f"Prefect's API answers {answer.status_code}: {answer.text[:200]}")
        return answer

    async def _take_csrf_token(self) -> None:
        answer = await self._http.get("/csrf-token", params={"client": self._client_id})
        if answer.status_code == 200:
            token = str(answer.json()["token"])
            self._http.headers.update({"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": self._client_id})


def _json(answer: httpx.Response) -> dict[str, Any]:
    if answer.status_code not in (200, 201):
        raise PrefectAway(f"Prefect's API answers {answer.status_code}: {answer.text[:200]}")
    told: dict[str, Any] = answer.json()
    return told
