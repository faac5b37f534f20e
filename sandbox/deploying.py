"""Deploying a release as the service's pipeline would: check out its infrastructure code, plan, apply the plan."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rules.errors import StepFailed
from sandbox.places import Home, Place

Event = dict[str, Any]
Told = Callable[[Event], None]


_OWN_LOCK = re.compile(
    r"acquiring the state lock.* ID: (?P<id>[0-9a-f-]{36}) .*Who: (?P<who>\S+) .*Created: (?P<created>[0-9-]+ [0-9:]+)",
    re.DOTALL,
)


def nobody(_: Event) -> None:
    """Nobody listens."""


def deploy(
    home: Home,
    place: Place,
    release: str,
    *,
    terraform: str,
    environment: Mapping[str, str],
    on_event: Told = nobody,
    lock_seconds: int = 30,
) -> None:
    """Deploy a release into an environment with real Terraform.

    Raises:
        StepFailed: Terraform failed; its own words are in the message.
    """
    began = time.monotonic()
    folder = home.path / "run" / "pipeline" / place.name
    check_out(home, release, folder)
    where = folder / "infrastructure"
    variables = {
        **os.environ,
        **environment,
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
        "TF_INPUT": "0",
    }

    def run(*arguments: str) -> None:
        _terraform([terraform, *arguments], where, variables, on_event)

    run("init", "-input=false", "-no-color", "-reconfigure", f"-backend-config=backend-{place.name}.hcl")
    waits = f"-lock-timeout={lock_seconds}s"
    given = (f"-var-file={place.name}.tfvars", f"-var=model_version={release}")

    def run_locked(*arguments: str) -> None:
        try:
            run(*arguments)
        except StepFailed as error:
            lock = _OWN_LOCK.search(error.message)
            if lock is None or lock["who"] != f"{getpass.getuser()}@{platform.node()}":
                raise
            if time.time() - _moment(lock["created"]) > time.monotonic() - began + 1:
                raise
            # The reply to our own lock's write was lost: Terraform's retry met our lock and gave up on it.
            run("force-unlock", "-force", lock["id"])
            run(*arguments)

    run_locked("plan", "-input=false", "-json", waits, "-out=release.tfplan", *given)
    run_locked("apply", "-input=false", "-json", waits, "release.tfplan")


def _moment(created: str) -> float:
    """A lock's moment of creation, in Unix seconds."""
    return datetime.strptime(created, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()


def check_out(home: Home, release: str, folder: Path) -> None:
    """A release's files, in a folder that holds nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for arguments in (
        ["git", "clone", "--quiet", "--shared", "--no-checkout", str(home.repository), str(folder)],
        ["git", "-C", str(folder), "checkout", "--quiet", "--detach", release],
    ):
        subprocess.run(arguments, check=True, capture_output=True)


def _terraform(argv: list[str], folder: Path, variables: Mapping[str, str], on_event: Told) -> None:
    """Run one command, pass its events on, raise what it says is wrong."""
    process = subprocess.Popen(
        argv,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wrong, said = [], []
    assert process.stdout  # noqa: S101 - it was asked for
    with process.stdout:
        for line in process.stdout:
            event = _event(line)
            if event is None:
                said.append(line.rstrip())
                continue
            if event.get("@level") == "error":
                detail = event.get("diagnostic", {}).get("detail", "")
                wrong.append(" ".join(f"{event.get('@message', '')} {detail}".split()))
            on_event(event)
    if process.wait() != 0:
        told = "; ".join(wrong) or "\n".join(said[-12:])
        raise StepFailed(f"terraform {argv[1]} failed: {told}", hint="The words are Terraform's own.")


def _event(line: str) -> Event | None:
    """One line of `-json` output; None when it is plain text."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
