"""An independent look at the qa environment: nothing is received, nothing of Backstop's is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sandbox.kit_runs import processes_of
from sandbox.places import Home
from sandbox.test_kit import production
from sandbox.test_kit.place import INTAKE, INTAKE_FIFO, QUEUES, RUNNER, RUNNER_SECRET, Kept, KitPlace

THROTTLED_RUN = "run-throttled"


@dataclass(frozen=True, slots=True)
class KitReading:
    """Everything of qa that a recovery may touch."""

    queues: dict[str, list[tuple[str, str, str]]]
    """What each queue holds: message id, body, group. In order; where tests publish only the order's name is told, the
    rest is drawn anew by each run."""
    hidden: dict[str, int]
    """How many messages of each queue nobody can receive now."""
    alive: tuple[str, ...]
    """Runs that have a process left."""
    locks: tuple[str, ...]
    runs: tuple[str, ...]
    """Names of the run folders."""
    keys: tuple[str, ...]
    """Whether the access keys of the kit's user are active."""
    stored_key: bool
    """Whether the key in the store is one of them that is active."""
    redacted: str
    """What the kit's settings say of redaction."""
    evidence: tuple[str, ...]
    branches: tuple[str, ...]
    """Of the kit's repository."""
    blocked: str
    """What the kit's settings say of accounts it must not act in."""
    production: tuple[str, ...]
    """What production's queue holds, by the orders' names."""
    logs: tuple[int, int]
    """Of the run that was throttled: how many events its logs lack, and how many stand there twice."""


def read(home: Home) -> KitReading:
    """Look at qa now."""
    place = KitPlace(home)
    held = {name: place.held(name) for name in QUEUES}
    runs = tuple(sorted(path.name for path in place.artifacts.iterdir())) if place.artifacts.exists() else ()
    targets = (INTAKE, INTAKE_FIFO)
    return KitReading(
        queues={
            name: [_told(m, drawn=name in targets) for m in _ordered(name, messages)]
            for name, messages in held.items()
        },
        hidden={name: sum(not m.visible for m in messages) for name, messages in held.items()},
        alive=tuple(run for run in runs if processes_of(place, run)),
        locks=tuple(sorted(path.name for path in (place.folder / "locks").glob("*.lock"))),
        runs=runs,
        production=tuple(sorted(json.loads(message.body)["order"] for message in production.held(place))),
        logs=_logs(place),
        **_leaks(place),
    )


def _logs(place: KitPlace) -> tuple[int, int]:
    folder = place.artifacts / THROTTLED_RUN
    if not folder.exists():
        return 0, 0
    path = folder / "logs.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    have = [json.loads(line)["id"] for line in lines]
    told = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    window = int(told["settings"]["ITK_LOG_QUERY_WINDOW_SECONDS"])
    wanted: set[str] = set()
    for group in told["settings"]["ITK_LOG_GROUPS"].split(","):
        pages = place.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group, startTime=int((told["began"] - window) * 1000)):
            wanted |= {event["eventId"] for event in page["events"]}
    return len(wanted - set(have)), len(have) - len(set(have))


def _told(message: Kept, *, drawn: bool) -> tuple[str, str, str]:
    if drawn:
        return "", str(json.loads(message.body)["order"]), message.group
    return message.id, message.body, message.group


def _leaks(place: KitPlace) -> dict[str, Any]:
    iam, text = place.client("iam"), (place.folder / ".env").read_text(encoding="utf-8")
    try:
        keys = iam.list_access_keys(UserName=RUNNER)["AccessKeyMetadata"]
        told = place.client("secretsmanager").get_secret_value(
            SecretId=RUNNER_SECRET, VersionStage="AWSCURRENT"
        )
        stored = json.loads(told["SecretString"])["AccessKeyId"]
    except (iam.exceptions.NoSuchEntityException, ClientError):
        keys, stored = [], ""
    refs = place.repository / "refs" / "heads"
    return {
        "keys": tuple(sorted(key["Status"] for key in keys)),
        "stored_key": stored in {key["AccessKeyId"] for key in keys if key["Status"] == "Active"},
        "blocked": next((line for line in text.splitlines() if "BLOCKED" in line), ""),
        "redacted": "\n".join(line for line in text.splitlines() if "REDACT" in line),
        "evidence": tuple(sorted(path.name for path in place.copies.rglob("*.evidence"))),
        "branches": tuple(sorted(str(path.relative_to(refs)) for path in refs.rglob("*") if path.is_file())),
    }


def _ordered(queue: str, messages: list[Kept]) -> list[Kept]:
    """A FIFO queue's order is a promise, a standard queue's is none."""
    return messages if queue.endswith(".fifo") else sorted(messages, key=lambda message: message.body)
