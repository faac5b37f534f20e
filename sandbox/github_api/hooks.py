"""Webhooks as GitHub sends them: once for each event, signed, with an id of the delivery."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from datetime import datetime

from sandbox.github_api.lives import live
from sandbox.github_api.shapes import Json, Shapes, moment
from sandbox.github_api.state import WORKFLOWS, Run, State
from sandbox.places import Home

REQUESTED, COMPLETED = "requested", "completed"
_PATIENCE = 10.0
"""Seconds. GitHub waits no longer either, and does not try again by itself."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: the name of the event, and what it tells."""

    name: str
    told: Json


def due(state: State, shapes: Shapes, now: datetime) -> list[Event]:
    """What has happened and was not told yet, in its order; it counts as told from now on."""
    found = []
    for run in state.runs.values():
        told = run.latest.told
        if COMPLETED in told:
            continue
        life = live(run.latest, now)
        if REQUESTED not in told:
            found.append(run_event(REQUESTED, run, state, shapes, now))
        for job, span, steps in life.jobs:
            if span.status == COMPLETED and span.conclusion != "skipped" and f"job {job.id}" not in told:
                shape = shapes.job(run, run.latest, job, span, steps)
                found.append(_event("workflow_job", COMPLETED, shape, shapes))
                told.add(f"job {job.id}")
        told.add(REQUESTED)
        if life.whole.status == COMPLETED:
            found.append(run_event(COMPLETED, run, state, shapes, now))
            told.add(COMPLETED)
    return found


def run_event(action: str, run: Run, state: State, shapes: Shapes, now: datetime) -> Event:
    """A `workflow_run` event."""
    event = _event("workflow_run", action, shapes.run(run, state, now), shapes)
    number, name = WORKFLOWS[run.workflow]
    at = moment(run.created)
    url = f"{shapes.base}/actions/workflows/{number}"
    event.told["workflow"] = {
        "id": number, "node_id": f"W_{number}", "name": name, "path": f".github/workflows/{run.workflow}",
        "state": "active", "created_at": at, "updated_at": at, "url": url, "badge_url": f"{url}/badge.svg",
        "html_url": f"{shapes.html}/actions/workflows/{run.workflow}",
    }  # fmt: skip
    return event


def _event(name: str, action: str, shape: Json, shapes: Shapes) -> Event:
    told = {"action": action, name: shape, "repository": shapes.repository(), "sender": shapes.user()}
    return Event(name, told)


def send(home: Home, event: Event, delivery: str = "") -> int:
    """Send an event to the webhook's address, if there is one; the status of the answer, 0: none came.

    `delivery`: the id of an earlier one that is sent again.
    """
    try:
        url = home.github_webhook.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        url = ""
    if not url:
        return 0
    body = json.dumps(event.told).encode()
    secret = (home.credentials / "github-webhook-secret").read_bytes()
    delivery = delivery or str(uuid.uuid4())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/sandbox",
        "X-GitHub-Event": event.name,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }
    status = _posted(url, body, headers)
    note = {"id": delivery, "event": event.name, "status": status, "at": time.time(), "told": event.told}
    with home.github_deliveries.open("a", encoding="utf-8") as file:
        file.write(json.dumps(note) + "\n")
    return status


def _posted(url: str, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - the address is set by the sandbox's user
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - see above
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return 0
