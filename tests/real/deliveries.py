"""Deliveries as their senders make them, of whatever a route of `deployments/alarm_routes.yaml` waits for."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from tests.webhooks.github_rig import SECRET, job, run, signed

TOKENS = {"alertmanager": "alertmanager's own", "pipeline": "the pipeline's own"}
VARIABLES = {
    "BACKSTOP_ALERTMANAGER_TOKEN": TOKENS["alertmanager"],
    "BACKSTOP_PIPELINE_TOKEN": TOKENS["pipeline"],
    "BACKSTOP_GITHUB_WEBHOOK_SECRET": SECRET,
}
"""What the receiver knows its senders by."""

Delivery = tuple[bytes, dict[str, str]]
"""Body and headers."""


def alarm_of(route: dict[str, Any]) -> str:
    """A name that the route takes."""
    return str(route["alarm"]).replace("*", "FailedChecks")


def delivery(route: dict[str, Any], parameters: dict[str, str]) -> Delivery:
    """What the route's sender sends now, so that the scenario is started with these parameters."""
    told = {label.strip("{}"): parameters[name] for name, label in route.get("parameters", {}).items()}
    return {"github": _github, "alertmanager": _alertmanager, "pipeline": _generic}[route["source"]](
        route, told
    )


def _github(route: dict[str, Any], told: dict[str, str]) -> Delivery:
    workflow, _, name = alarm_of(route).partition(" / ")
    number, now = int(told.get("run_id", uuid.uuid4().int % 10**9)), _now()
    changes: dict[str, Any] = {"head_branch": route["labels"].get("branch", "some-branch")}
    if "sha" in told:
        changes["head_sha"] = told["sha"]
    if not name:
        return signed(run(workflow, id=number, updated_at=now, **changes))
    # The job's own number names the alarm.
    own = uuid.uuid4().int % 10**9
    return signed(job(name, workflow_name=workflow, id=own, run_id=number, completed_at=now, **changes))


def _alertmanager(route: dict[str, Any], told: dict[str, str]) -> Delivery:
    labels = {"alertname": alarm_of(route)} | route.get("labels", {}) | told
    alert = {"status": "firing", "labels": labels, "startsAt": _now(), "fingerprint": uuid.uuid4().hex[:16]}
    return _with_token(route, {"version": "4", "status": "firing", "alerts": [alert]})


def _generic(route: dict[str, Any], told: dict[str, str]) -> Delivery:
    labels = route.get("labels", {}) | told
    named = {"id": uuid.uuid4().hex, "name": alarm_of(route), "occurred_at": _now(), "labels": labels}
    return _with_token(route, named)


def _with_token(route: dict[str, Any], told: dict[str, Any]) -> Delivery:
    return json.dumps(told).encode(), {"Authorization": f"Bearer {TOKENS[route['source']]}"}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
