"""The few calls the command line makes to a Prefect server. Plain HTTP: importing Prefect takes seconds."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import httpx

from cli.failures import Unready, WrongUsage
from cli.running import prefect_address
from rules.errors import RecoveryRefused

_BUSY_TRIES, _BUSY_SECONDS = 40, 0.1

TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a flow run stands. `type` is Prefect's, `name` is ours for the endings."""

    type: str
    name: str
    message: str

    @property
    def is_over(self) -> bool:
        """Whether nothing will happen in this run any more."""
        return self.type in TERMINAL


class PrefectApi:
    """A connection to one server.

    Every call raises:
        Unready: the server does not answer.
        RecoveryRefused: it answers, and says no.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = (address or prefect_address()).rstrip("/")
        user, _, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
        self._http = httpx.Client(
            base_url=self.address,
            timeout=httpx.Timeout(30.0, connect=3.0),
            auth=(user, password) if user else None,
        )

    @property
    def ui(self) -> str:
        """Where the UI is."""
        return self.address.removesuffix("/api")

    def deployment(self, name: str) -> str:
        """The id of a deployment `flow/deployment`."""
        answer = self._call("GET", f"/deployments/name/{name}", missing=True)
        if answer is None:
            raise WrongUsage(
                f"{self.ui} has no deployment {name}.",
                hint="`backstop apply` registers environments and deployments.",
            )
        return str(answer["id"])

    def environment(self, name: str) -> dict[str, Any]:
        """A reference to an environment's block, as a flow run's parameter takes it."""
        answer = self._call("GET", f"/block_types/slug/environment/block_documents/name/{name}", missing=True)
        if answer is None:
            raise WrongUsage(
                f"{self.ui} has no environment {name}.",
                hint="`backstop apply` registers environments and deployments.",
            )
        return {"$ref": {"block_document_id": answer["id"]}}

    def start_run(self, deployment: str, parameters: dict[str, Any], name: str) -> str:
        """Create a flow run and return its id."""
        body = {"parameters": parameters, "name": name, "state": {"type": "SCHEDULED"}}
        answer = self._call("POST", f"/deployments/{deployment}/create_flow_run", body)
        return str(answer["id"]) if answer else ""

    def state(self, run: str) -> RunState:
        """Where a flow run stands."""
        answer = self._call("GET", f"/flow_runs/{run}") or {}
        state = answer.get("state") or {}
        return RunState(state.get("type", ""), state.get("name", ""), state.get("message") or "")

    def get(self, path: str) -> Any:
        """What the server says at a path."""
        return self._call("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the server answers to a document; asked again while its database is busy."""
        return self._call("POST", path, body)

    def delete(self, path: str) -> None:
        """Remove something; it may be gone."""
        self._call("DELETE", path, missing=True)

    def _call(
        self, verb: str, path: str, body: dict[str, Any] | None = None, *, missing: bool = False
    ) -> Any:
        answer = self._ask(verb, path, body)
        if answer.status_code == httpx.codes.NOT_FOUND and missing:
            return None
        if answer.is_error:
            raise RecoveryRefused(
                f"The Prefect server refused it: {_detail(answer)}",
                hint="`backstop scenarios NAME` shows the parameters.",
            )
        return answer.json() if answer.content else None

    def _ask(self, verb: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        """One answer. SQLite refuses concurrent writers with 503: that only means "again"."""
        for _ in range(_BUSY_TRIES):
            try:
                answer = self._http.request(verb, path, json=body)
            except httpx.HTTPError as error:
                raise Unready(
                    f"The Prefect server at {self.address} does not answer ({type(error).__name__}).",
                    hint="Start it with `backstop up`, set PREFECT_API_URL, or recover without it: --local.",
                ) from error
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return answer
            time.sleep(_BUSY_SECONDS)
        raise Unready(f"The Prefect server at {self.address} is busy.", hint="Try again, or use --local.")


def _detail(answer: httpx.Response) -> str:
    try:
        detail = answer.json().get("detail", answer.text)
    except ValueError:
        detail = answer.text
    return f"{str(detail)[:300]} (HTTP {answer.status_code})"
