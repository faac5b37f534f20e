"""One run of the kit: its lock, its processes, the order of things."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox.test_kit.artifacts import Artifacts
from sandbox.test_kit.misbehaviour import after_publishing
from sandbox.test_kit.publishing import publish, read_logs

LOCKED, BLOCKED, THROTTLED = 75, 77, 4
"""Exit codes: another run holds the lock; its queue is in a blocked account; the logs could not be read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is to do."""

    case: str
    out: Path
    run_id: str
    count: int = 24
    misbehave: str = ""
    redact: bool = False


def new_run_id() -> str:
    """An id nobody has used."""
    return f"run-{uuid.uuid4().hex[:10]}"


def load_settings(folder: Path) -> None:
    """Take the settings of `.env`; what the environment already has wins."""
    for line in (folder / ".env").read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            os.environ.setdefault(name.strip(), value.strip())


def run(asked: Asked) -> int:
    """Take the lock, write down who we are, let a worker publish and read, write the report."""
    blocked = set(os.environ.get("ITK_BLOCKED_ACCOUNTS", "").split(",")) - {""}
    if blocked & set(os.environ["ITK_SQS_QUEUE_URL"].split("/")):
        sys.stderr.write("ITK_SQS_QUEUE_URL is in an account where tests must never act\n")
        return BLOCKED
    lock = Path("locks") / f"{asked.case}.lock"
    lock.parent.mkdir(exist_ok=True)
    me = psutil.Process()
    who = {
        "run_id": asked.run_id,
        "pid": me.pid,
        "started": me.create_time(),
        "host": socket.gethostname(),
    }
    try:
        with lock.open("x", encoding="utf-8") as file:
            json.dump(who, file)
    except FileExistsError:
        sys.stderr.write(f"{lock} is held: {lock.read_text(encoding='utf-8')}\n")
        return LOCKED
    os.environ["ITK_RUN_ID"] = asked.run_id
    artifacts = Artifacts(asked.out)
    settings = {name: value for name, value in os.environ.items() if name.startswith("ITK_")}
    facts = {**who, "case": asked.case, "began": time.time(), "lock": str(lock), "settings": settings}
    artifacts.run(facts)
    words = [
        sys.executable,
        "-P",
        "-m",
        "sandbox.test_kit",
        "work",
        "--case",
        asked.case,
        "--out",
        str(asked.out),
    ]
    words += ["--run-id", asked.run_id, "--count", str(asked.count), "--misbehave", asked.misbehave]
    words += ["--redact"] if asked.redact else []
    with (asked.out / "output.log").open("ab") as said:
        code = subprocess.run(
            words, stdout=said, stderr=said, stdin=subprocess.DEVNULL, check=False
        ).returncode
    told = (asked.out / "output.log").read_text(encoding="utf-8", errors="replace")
    artifacts.report(f"{asked.case} {asked.run_id}", code, told)
    artifacts.run({**facts, "ended": time.time(), "exit_code": code})
    lock.unlink(missing_ok=True)
    return code


def work(asked: Asked) -> int:
    """Publish, then read the logs."""
    artifacts, leak = Artifacts(asked.out), asked.misbehave == "secrets" and not asked.redact
    for spans in publish(asked.run_id, asked.case, asked.count, leak=leak):
        artifacts.spans(spans)
        sys.stdout.write(f"published {len(spans)}\n")
        sys.stdout.flush()
    if asked.misbehave in {"hang", "ignore-term", "fork-away", "zombie"}:
        artifacts.half_a_span()
    after_publishing(asked.misbehave)
    groups = os.environ.get("ITK_LOG_GROUPS", "").split(",")
    try:
        for events in read_logs(groups, int(os.environ.get("ITK_LOG_QUERY_WINDOW_SECONDS", "300"))):
            artifacts.logs(events)
    except Exception as error:  # noqa: BLE001 - whatever AWS says ends the run, as in any small tool
        sys.stdout.write(f"could not read the logs: {error}\n")
        return THROTTLED
    return 0
