"""Recovering through a Prefect server: what is said when it is not there, and when no incident came of it."""

from __future__ import annotations

import httpx
import pytest
import respx

from cli.prefect_api import PrefectApi, RunState
from cli.recover_server import _without_incident
from rules.errors import RecoveryRefused
from rules.outcomes import Ending

from .conftest import Backstop

NOBODY = "http://127.0.0.1:9/api"
SERVER = "http://prefect.test/api"


@pytest.mark.parametrize(
    "words", [("recover", "canary-failure", "--environment", "prod"), ("apply",)], ids=["recover", "apply"]
)
def test_without_a_server_nothing_is_changed(
    backstop: Backstop, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """A server that does not answer is one clear line, the way round it, and exit code 3."""
    monkeypatch.setenv("PREFECT_API_URL", NOBODY)

    said = backstop(*words)

    assert said.code == 3
    assert "does not answer" in said.err
    assert "--local" in said.err
    assert "Traceback" not in said.err


def test_the_doctor_says_what_is_missing(backstop: Backstop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server the doctor fails with 1, and still checks everything else."""
    monkeypatch.setenv("PREFECT_API_URL", NOBODY)

    said = backstop("doctor", "--json")
    verdicts = {check["name"]: check["verdict"] for check in said.data["checks"]}

    assert said.code == 1
    assert verdicts["Prefect server"] == "fail"
    assert verdicts["ledger"] == verdicts["ledger's history"] == "pass"
    assert (
        verdicts["prefect version"] == verdicts["fastapi version"] == verdicts["sqlalchemy version"] == "pass"
    )


@respx.mock
def test_a_busy_server_is_asked_again() -> None:
    """503 only means that SQLite was busy: the same question is asked again, and answered."""
    answers = [httpx.Response(503), httpx.Response(503), httpx.Response(201, json={"id": "run-1"})]
    route = respx.post(f"{SERVER}/deployments/d/create_flow_run").mock(side_effect=answers)

    assert PrefectApi(SERVER).start_run("d", {}, "a name") == "run-1"
    assert route.call_count == 3


@respx.mock
def test_what_the_server_refuses_is_refused() -> None:
    """Parameters that the flow does not take are the server's own words, not a traceback."""
    respx.post(f"{SERVER}/deployments/d/create_flow_run").mock(
        return_value=httpx.Response(409, json={"detail": "'x' is not a release"})
    )

    with pytest.raises(RecoveryRefused, match="'x' is not a release"):
        PrefectApi(SERVER).start_run("d", {}, "a name")


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("Already handled", Ending.ALREADY_HANDLED),
        ("Refused", Ending.REFUSED),
        ("Crashed", Ending.NOT_RECOVERED),
        ("Cancelled", Ending.NOT_RECOVERED),
    ],
)
def test_a_run_without_an_incident_ends_as_its_state_says(name: str, ending: Ending) -> None:
    """The state's name is the ending; a run that died before it opened an incident has not recovered anything."""
    outcome = _without_incident(RunState("FAILED", name, "because"), "canary-failure", "prod")

    assert (outcome.ending, outcome.reason) == (ending, "because")
