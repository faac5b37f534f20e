"""GitHub's stand-in: it lives by the clock, limits and pages like GitHub, and sends signed webhooks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks.environment import Environment
from rules.github_events import from_github
from sandbox.github_stand_in import StandIn

REPO = "/repos/acme/sentiment-service"
QUICK = [{"name": "a", "steps": [{"name": "s", "seconds": 0.1}]}]


@pytest.fixture
def api(github: StandIn, preprod_on_github: Environment) -> Iterator[httpx.Client]:
    """A plain HTTP client with the right token."""
    assert preprod_on_github.github
    token = preprod_on_github.github.token.read().get_secret_value()
    with httpx.Client(base_url=github.url, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


class _Hears(BaseHTTPRequestHandler):
    heard: list[tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(202)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet."""


@pytest.fixture
def heard(github_home: Path) -> Iterator[list[tuple[dict[str, str], bytes]]]:
    """What a webhook's receiver gets: headers and body of each event."""
    _Hears.heard = []
    server = HTTPServer(("127.0.0.1", 0), _Hears)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    (github_home / "github-webhook.url").write_text(f"http://127.0.0.1:{server.server_port}/alarms/github")
    yield _Hears.heard
    (github_home / "github-webhook.url").unlink()
    server.shutdown()
    server.server_close()


def test_a_wrong_token_is_refused(github: StandIn) -> None:
    """As GitHub does: 401 with a message."""
    answer = httpx.get(f"{github.url}{REPO}/issues", headers={"Authorization": "Bearer wrong"})

    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


def test_what_github_does_not_describe_is_noticed(github: StandIn, api: httpx.Client) -> None:
    """A body without its required field is refused and written down; looking at it forgives it here."""
    assert (
        api.post(f"{REPO}/actions/workflows/tests-dev.yml/dispatches", json={"reff": "main"}).status_code
        == 422
    )
    assert api.get(f"{REPO}/actions/workflows/tests-dev.yml/runs?status=bogus").status_code == 422

    assert ["'ref' is a required" in told or "'bogus'" in told for told in github.seen()["violations"]] == [
        True,
        True,
    ]
    github.reset("seeded")


def test_a_filtered_question_shows_a_thousand(github: StandIn, api: httpx.Client) -> None:
    """Page 11 of a hundred is empty, whatever the total says; the Link header leads to the next page."""
    github.plant_run(count=1100, apart=1, branch="busy", old=True)
    asked = f"{REPO}/actions/workflows/build-and-promote.yml/runs?branch=busy&per_page=100"

    first, tenth, eleventh = (api.get(f"{asked}&page={page}") for page in (1, 10, 11))

    assert first.json()["total_count"] == 1100
    assert 'rel="next"' in first.headers["link"]
    assert len(tenth.json()["workflow_runs"]) == 100
    assert eleventh.json()["workflow_runs"] == []


def test_what_a_run_does_is_told_once_signed_and_read_by_the_receiver(
    github: StandIn, heard: list[tuple[dict[str, str], bytes]], github_home: Path
) -> None:
    """A failing run: `requested`, its job, `completed`; each is read; the same delivery can be sent again."""
    from githubkit.webhooks import verify

    fails = [{"name": "test", "steps": [{"name": "pytest", "seconds": 0.1, "conclusion": "failure"}]}]
    github.plant_pull_request(17, "Score faster", "score", "b" * 40)
    run = github.plant_run(jobs=fails, workflow="tests-dev.yml", event="pull_request", pull_request=17)
    deadline = time.monotonic() + 10
    while len(heard) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    github.deliver(run, heard[2][0]["x-github-delivery"])

    kinds = [(headers["x-github-event"], json.loads(body)["action"]) for headers, body in heard]
    assert kinds == [
        ("workflow_run", "requested"),
        ("workflow_job", "completed"),
        ("workflow_run", "completed"),
        ("workflow_run", "completed"),
    ]
    secret = (github_home / "credentials/github-webhook-secret").read_text()
    assert all(verify(secret, body, headers["x-hub-signature-256"]) for headers, body in heard)
    ids = [headers["x-github-delivery"] for headers, _ in heard]
    assert len(set(ids)) == 3
    assert ids[2] == ids[3]
    alarms = [
        from_github(
            body,
            event=headers["x-github-event"],
            delivery=headers["x-github-delivery"],
            source="github",
            now=datetime.now(UTC),
        )
        for headers, body in heard
    ]
    assert [alarm.name for alarm in alarms[1:]] == ["Tests (Dev) / test", "Tests (Dev)", "Tests (Dev)"]
    assert alarms[2].labels["run_id"] == str(run)
    assert alarms[2].labels["pull_requests"] == "17"
    assert alarms[2].external_id == alarms[3].external_id


def test_an_ended_run_cannot_be_cancelled_nor_one_that_runs_begun_again(
    github: StandIn, api: httpx.Client
) -> None:
    """409 and 403, as GitHub answers."""
    ended = github.plant_run(jobs=QUICK, ago=60)
    hangs = github.plant_run(jobs=[{"name": "a", "steps": [{"name": "s", "seconds": None}]}])

    assert api.post(f"{REPO}/actions/runs/{ended}/cancel").status_code == 409
    assert api.post(f"{REPO}/actions/runs/{hangs}/rerun").status_code == 403


def test_going_back_forgets_what_came_after(github: StandIn) -> None:
    """A kept moment holds runs as they were."""
    run = github.plant_run(jobs=QUICK)
    github.keep("before")
    later = github.plant_run(jobs=QUICK)

    github.reset("before")

    assert str(run) in github.seen()["runs"]
    assert str(later) not in github.seen()["runs"]
