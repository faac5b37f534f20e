"""GitHub as a sender: its deliveries with the keys that we read, signed."""

from __future__ import annotations

import hmac
import json
import uuid
from typing import Any

import httpx

from tests.webhooks.conftest import ROUTES, Receiver

SECRET = "it-is-a-secret-to-everybody"
REPOSITORY = "acme/sentiment-service"
SHA = "4f2c1d0b8e6a7f5039d2c1b0a9f8e7d6c5b4a392"
PREPROD = "Build and Promote to Preprod"


def github_routes(*further: dict[str, Any]) -> dict[str, Any]:
    """Routes for a sender `github`; `further` come before those of the preprod deployment."""
    deploy = {
        "alarm": f"{PREPROD} / Deploy to Preprod",
        "source": "github",
        "labels": {"repository": REPOSITORY, "branch": "main"},
        "scenario": "preprod-terraform-failure",
        "environment": "preprod",
        "parameters": {"release": "{sha}"},
    }
    senders = {"github": {"format": "github", "token": {"source": "environment", "name": "HOOK_SECRET"}}}
    return ROUTES | {"senders": ROUTES["senders"] | senders, "routes": [*further, deploy]}


def job(name: str = "Deploy to Preprod", conclusion: str = "failure", **changes: Any) -> dict[str, Any]:
    """The event `workflow_job` of a job that is over."""
    told = {
        "id": 40_001,
        "run_id": 9_001,
        "run_attempt": 1,
        "workflow_name": PREPROD,
        "name": name,
        "head_branch": "main",
        "head_sha": SHA,
        "status": "completed",
        "conclusion": conclusion,
        "html_url": f"https://github.com/{REPOSITORY}/actions/runs/9001/job/40001",
        "completed_at": "2026-01-31T03:12:00Z",
        "labels": ["ubuntu-latest"],
    }
    return {"action": "completed", "repository": {"full_name": REPOSITORY}, "workflow_job": told | changes}


def run(name: str = "Tests (Dev)", conclusion: str = "failure", **changes: Any) -> dict[str, Any]:
    """The event `workflow_run` of a run that is over."""
    told = {
        "id": 9_002,
        "name": name,
        "path": ".github/workflows/tests-dev.yml",
        "head_branch": "fix-login",
        "head_sha": SHA,
        "event": "pull_request",
        "status": "completed",
        "conclusion": conclusion,
        "run_attempt": 2,
        "html_url": f"https://github.com/{REPOSITORY}/actions/runs/9002",
        "updated_at": "2026-01-31T03:12:00Z",
        "actor": {"login": "jane"},
        "head_repository": {"full_name": REPOSITORY},
        "pull_requests": [{"number": 12}, {"number": 13}],
    }
    return {"action": "completed", "repository": {"full_name": REPOSITORY}, "workflow_run": told | changes}


def signed(
    told: dict[str, Any] | bytes, *, event: str = "", secret: str = SECRET, **changes: str
) -> tuple[bytes, dict[str, str]]:
    """A delivery's body and headers. `changes` replace headers (underscores are hyphens); an empty one is left out."""
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    named = event or next((key for key in ("workflow_run", "workflow_job") if key.encode() in body), "ping")
    headers = {
        "content-type": "application/json",
        "x-github-event": named,
        "x-github-delivery": str(uuid.uuid4()),
        "x-hub-signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
    } | {key.replace("_", "-"): value for key, value in changes.items()}
    return body, {key: value for key, value in headers.items() if value}


def deliver(receiver: Receiver, told: dict[str, Any] | bytes, **how: str) -> httpx.Response:
    """Deliver as GitHub does."""
    body, headers = signed(told, **how)
    return receiver.post(body, "/alarms/github", **headers)
