"""GitHub's webhook at a real receiver: a failed workflow starts its scenario, and nobody else does."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ledger import incidents
from ledger.database import Ledger
from ledger.holders import this_process
from ledger.incidents import Opening
from ledger.models import IncidentRow
from tests.webhooks.conftest import Receiver, wait_for
from tests.webhooks.github_rig import REPOSITORY, SECRET, SHA, deliver, github_routes, job, run
from tests.webhooks.prefect_stand_in import PrefectStandIn


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


@pytest.fixture
def receiver(receive: Callable[..., Receiver]) -> Receiver:
    """A receiver that GitHub may speak to."""
    return receive(routes=github_routes())


def test_a_failed_job_starts_its_scenario(receiver: Receiver, prefect: PrefectStandIn) -> None:
    """The deployment's job failed: its scenario runs in its environment, with the commit that was deployed."""
    answer = deliver(receiver, job())

    assert answer.status_code == 200
    wait_for(lambda: prefect.runs)
    ((_, started),) = prefect.runs.items()
    assert started["parameters"]["release"] == SHA
    assert started["parameters"]["request"]["reason"] == "Build and Promote to Preprod / Deploy to Preprod"
    (row,) = receiver.rows()
    assert (row.scenario, row.environment) == ("preprod-terraform-failure", "preprod")
    assert row.body["labels"]["run_id"] == "9001"


def test_the_same_workflow_another_job(receiver: Receiver) -> None:
    """A run that failed names no job, and its tests are no deployment: neither repairs the infrastructure."""
    for told in (job("Preprod Integration Tests"), run("Build and Promote to Preprod", head_branch="main")):
        answer = deliver(receiver, told)

        assert answer.json()["alarms"][0]["result"] == "ignored"
        assert "no route fits" in answer.json()["alarms"][0]["reason"]


def test_labels_of_a_run(receiver: Receiver) -> None:
    """What a run's event tells is kept: repository, workflow, branch, commit, event, pull requests, who began it."""
    deliver(receiver, run())

    (row,) = receiver.rows()
    assert row.name == "Tests (Dev)"
    assert row.body["labels"] == {
        "repository": REPOSITORY,
        "workflow": "Tests (Dev)",
        "file": "tests-dev.yml",
        "branch": "fix-login",
        "sha": SHA,
        "event": "pull_request",
        "run_id": "9002",
        "attempt": "2",
        "conclusion": "failure",
        "fork": "no",
        "pull_requests": "12,13",
        "actor": "jane",
    }


@pytest.mark.parametrize(
    ("conclusion", "status"),
    [
        ("failure", "alarm"),
        ("timed_out", "alarm"),
        ("startup_failure", "alarm"),
        ("success", "ok"),
        ("cancelled", "unknown"),
        ("skipped", "unknown"),
        (None, "unknown"),
    ],
)
def test_conclusions(receiver: Receiver, conclusion: Any, status: str) -> None:
    """Three conclusions are alarms, one is good, the others are neither."""
    deliver(receiver, run(conclusion=conclusion))

    assert [row.status for row in receiver.rows()] == [status]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("ping", {"zen": "Design for failure.", "hook_id": 1}),
        ("workflow_job", job() | {"action": "in_progress"}),
        ("workflow_run", run() | {"action": "requested"}),
        ("deployment_status", run()),
        ("push", {"ref": "refs/heads/main", "repository": {"full_name": REPOSITORY}}),
    ],
)
def test_other_events(receiver: Receiver, prefect: PrefectStandIn, event: str, told: dict[str, Any]) -> None:
    """Whatever else GitHub tells is answered and recorded, and starts nothing."""
    answer = deliver(receiver, told, event=event)

    assert answer.status_code == 200
    (row,) = receiver.rows()
    assert row.state == "ignored"
    assert row.name.startswith(event)
    assert prefect.posts == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"x_hub_signature_256": ""},
        {"x_hub_signature_256": "sha256=" + "0" * 64},
        {"x_hub_signature_256": "sha256="},
        {
            "x_hub_signature_256": "sha1="
            + hmac.digest(SECRET.encode(), json.dumps(job()).encode(), "sha1").hex()
        },
        {"x_hub_signature_256": hmac.digest(SECRET.encode(), json.dumps(job()).encode(), "sha256").hex()},
        {"secret": "another secret"},
        {
            "x_hub_signature_256": "",
            "x_hub_signature": "sha1="
            + hmac.digest(SECRET.encode(), json.dumps(job()).encode(), "sha1").hex(),
        },
        {"x_hub_signature_256": "", "authorization": f"Bearer {SECRET}"},
    ],
    ids=["none", "wrong", "empty", "sha1", "bare", "other secret", "old header", "token"],
)
def test_not_signed(receiver: Receiver, headers: dict[str, str]) -> None:
    """Without a SHA-256 signature made with the secret nothing is read or stored; SHA-1 alone is none."""
    answer = deliver(receiver, job(), **headers)

    assert answer.status_code == 401
    assert answer.json()["error"] == "The signature is missing or wrong."
    assert receiver.rows() == []
    assert (
        receiver.metric('backstop_webhook_deliveries_total{result="refused-signature",source="github"}') == 1
    )


def test_a_signature_that_is_no_text(receiver: Receiver) -> None:
    """A header of other bytes is a wrong signature, not a fault of ours."""
    answer = receiver.http.post(
        "/alarms/github", content=b"{}", headers=[(b"x-hub-signature-256", "sha256=é".encode("latin-1"))]
    )

    assert answer.status_code == 401


def test_changed_on_the_way(receiver: Receiver) -> None:
    """The signature is of these very bytes."""
    body = json.dumps(job()).encode()
    signature = "sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex()
    answer = deliver(receiver, body.replace(b"Deploy to", b"Destroy "), x_hub_signature_256=signature)

    assert answer.status_code == 401


def test_replayed(receiver: Receiver, prefect: PrefectStandIn) -> None:
    """A redelivery is the same alarm; so is a recorded one under another delivery's id, which nobody signed."""
    delivery = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
    answers = [deliver(receiver, job(), x_github_delivery=delivery) for _ in range(2)]
    answers.append(deliver(receiver, job()))

    assert [answer.json()["alarms"][0]["result"] for answer in answers] == ["stored", "repeated", "repeated"]
    wait_for(lambda: {row.state for row in receiver.rows()} == {"dispatched"})
    assert len(prefect.runs) == 1


def test_the_next_attempt(receiver: Receiver) -> None:
    """A job that fails again in another attempt is another alarm."""
    for attempt in (1, 2):
        deliver(receiver, job(run_attempt=attempt, id=40_000 + attempt))

    assert len(receiver.rows()) == 2


def test_two_failed_deployments_are_two_matters(
    receiver: Receiver, prefect: PrefectStandIn, ledger: Ledger
) -> None:
    """While one commit's failure is handled another one's waits; then it gets its own run, however early it failed."""
    other = "0" * 40
    deliver(receiver, job())
    wait_for(lambda: prefect.runs)
    first = receiver.rows()[0]
    opening = Opening("preprod-terraform-failure", "preprod", "preprod", 600.0, alarm_id=first.id)
    case = incidents.open_case(ledger, opening, this_process(), 30.0)
    deliver(receiver, job(id=2, head_sha=other))
    deliver(receiver, job(id=3))
    wait_for(lambda: receiver.rows()[2].state == "dispatched")
    assert [row.state for row in receiver.rows()] == ["dispatched", "stored", "dispatched"]
    assert len(prefect.runs) == 1

    with ledger.session() as session:
        session.get_one(IncidentRow, case.incident_id).ending = "recovered"
    incidents.close_case(case)
    wait_for(lambda: len(prefect.runs) == 2)
    assert [told["release"] for told in prefect.parameters] == [SHA, other]
    deliver(receiver, job(id=4, head_sha=other))
    wait_for(lambda: {row.state for row in receiver.rows()} == {"dispatched"})
    assert len(prefect.runs) == 2


@pytest.mark.parametrize(
    "told",
    [
        job() | {"repository": {"full_name": "stranger/service"}},
        job(workflow_name="Another workflow"),
        job(head_branch="fix-login"),
        job(head_branch=None, workflow_name=None),
    ],
    ids=["repository", "workflow", "branch", "none"],
)
def test_not_what_the_route_means(receiver: Receiver, prefect: PrefectStandIn, told: dict[str, Any]) -> None:
    """A failure of another repository, workflow or branch is recorded and starts nothing."""
    assert deliver(receiver, told).status_code == 200

    (row,) = receiver.rows()
    assert (row.state, row.scenario) == ("ignored", None)
    assert prefect.posts == 0


@pytest.mark.parametrize(
    ("body", "event", "told"),
    [
        (b"payload=%7B%7D", "workflow_job", "GitHubDelivery"),
        (b"[]", "workflow_job", "GitHubDelivery"),
        (b'{"action": "completed"}', "workflow_job", "WorkflowJobDelivery: repository"),
        (json.dumps(job(id="x" * 5_000)).encode(), "workflow_job", "workflow_job.id"),
        (json.dumps(run(updated_at="yesterday")).encode(), "workflow_run", "workflow_run.updated_at"),
    ],
    ids=["form", "list", "nothing", "id", "time"],
)
def test_a_body_that_is_none(receiver: Receiver, body: bytes, event: str, told: str) -> None:
    """Signed, but not what this event looks like: one clear error that says where, nothing stored."""
    answer = deliver(receiver, body, event=event)

    assert answer.status_code == 400
    assert told in answer.json()["error"]
    assert answer.json()["hint"]
    assert receiver.rows() == []


def test_too_large(receiver: Receiver) -> None:
    """What is larger than the limit is refused before anything of it is hashed."""
    answer = deliver(receiver, json.dumps(job(html_url="x" * 300_000)).encode())

    assert answer.status_code == 413


def test_long_names_are_cut(receiver: Receiver) -> None:
    """A name of any length or with control characters is stored, cut and clean."""
    answer = deliver(receiver, job("\x00" + "n" * 5_000))

    assert answer.status_code == 200
    (row,) = receiver.rows()
    assert len(row.body["labels"]["job"]) == 256
    assert "\x00" not in row.name


def test_the_shipped_routes_hand_on_what_the_flows_take(
    receive: Callable[..., Receiver], prefect: PrefectStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull request's failed tests reach their scenario with the run's number, as a number."""
    monkeypatch.setenv("BACKSTOP_GITHUB_WEBHOOK_SECRET", SECRET)
    shipped = yaml.safe_load((Path(__file__).parents[2] / "deployments/alarm_routes.yaml").read_text())
    receiver = receive(routes=shipped)
    deliver(receiver, run())

    wait_for(lambda: prefect.runs)
    assert prefect.parameters[0]["run"] == 9002
    assert receiver.rows()[0].scenario == "dev-test-failure"


def test_a_label_that_is_not_there(receive: Callable[..., Receiver], prefect: PrefectStandIn) -> None:
    """A parameter whose label the alarm does not have is left out: the flow's own default counts."""
    further = {
        "alarm": "Tests*",
        "source": "github",
        "labels": {"repository": REPOSITORY, "event": "pull_request"},
        "scenario": "preprod-terraform-failure",
        "environment": "preprod",
        "parameters": {"release": "{deployment}"},
    }
    receiver = receive(routes=github_routes(further))
    deliver(receiver, run())

    wait_for(lambda: prefect.runs)
    assert prefect.parameters[0].keys() == {"environment", "request"}
