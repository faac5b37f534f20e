"""Webhooks as GitHub sends them: once for each event, signed, with an id of the delivery."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
import uuid
from datetime import datetime
from typing import Any

from sandbox.github_api.lives import live
from sandbox.github_api.shapes import Json, Shapes, moment
from sandbox.github_api.state import WORKFLOWS, Run, State
from sandbox.places import Home

_PATIENCE = 10.0
"""Seconds. GitHub waits no longer either, and does not try again by itself."""


def due(state: State, now: datetime) -> list[tuple[str, Run]]:
    """The events that have happened and were not told yet; they count as told from now on."""
    found = []
    for run in state.runs.values():
        told = run.latest.told
        if "completed" in told:
            continue
        ended = live(run.latest, now).whole.status == "completed"
        for event in ("requested", "completed") if ended else ("requested",):
            if event not in told:
                told.add(event)
                found.append((event, run))
    return found


def event_of(action: str, run: Run, state: State, shapes: Shapes, now: datetime) -> Json:
    """What a `workflow_run` event tells."""
    number, name = WORKFLOWS[run.workflow]
    at = moment(run.created)
    url = f"{shapes.base}/actions/workflows/{number}"
    workflow = {
        "id": number, "node_id": f"W_{number}", "name": name, "path": f".github/workflows/{run.workflow}",
        "state": "active", "created_at": at, "updated_at": at, "url": url, "badge_url": f"{url}/badge.svg",
        "html_url": f"{shapes.html}/actions/workflows/{run.workflow}",
    }  # fmt: skip
    return {
        "action": action, "workflow_run": shapes.run(run, state, now), "workflow": workflow,
        "repository": shapes.repository(), "sender": shapes.user(),
    }  # fmt: skip


def send(home: Home, event: str, told: Json, delivery: str = "") -> int:
    """Send an event to the webhook's address, if there is one; the status of the answer, 0: none came.

    `delivery`: the id of an earlier one that is sent again.
    """
    try:
        url = home.github_webhook.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        url = ""
    if not url:
        return 0
    body = json.dumps(told).encode()
    secret = (home.credentials / "github-webhook-secret").read_bytes()
    delivery = delivery or str(uuid.uuid4())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/sandbox",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }
    status = _posted(url, body, headers)
    note: dict[str, Any] = {"id": delivery, "event": event, "status": status, "at": time.time(), "told": told}
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
    except OSError:
        return 0
