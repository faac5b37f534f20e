"""One real Prefect server per test session, shared by the workers of a parallel run."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from deployments.server import PrefectServer


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the session's Prefect server (SQLite, own folder, free port) and point this process at it.

    The value is its API address; child processes find it in PREFECT_API_URL.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "prefect-server"
    (folder / "users").mkdir(parents=True, exist_ok=True)
    here = folder / "users" / str(os.getpid())
    with _locked(folder):
        here.touch()
        started, address = _found_or_started(folder)
    try:
        with _pointed_at(address, folder / "home"):
            yield address
    finally:
        here.unlink(missing_ok=True)
        if started is not None:
            _wait_for_the_others(folder)
            with _locked(folder):
                (folder / "address.json").unlink(missing_ok=True)
                started.stop()


def _found_or_started(folder: Path) -> tuple[PrefectServer | None, str]:
    from deployments.server import PrefectServer

    note = folder / "address.json"
    if note.is_file():
        return None, json.loads(note.read_text())["api"]
    server = PrefectServer(folder / "home")
    server.start()
    server.wait_until_healthy(120)
    note.write_text(json.dumps({"api": server.api}))
    return server, server.api


@contextmanager
def _pointed_at(api: str, home: Path) -> Iterator[None]:
    """Let Prefect's settings, read at import, say this server; and the environment of children too."""
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        temporary_settings,
    )

    before = {name: os.environ.get(name) for name in ("PREFECT_API_URL", "PREFECT_HOME")}
    os.environ |= {"PREFECT_API_URL": api, "PREFECT_HOME": str(home)}
    # Each synchronous flow run would spend a second at its end on its heartbeat.
    here = {PREFECT_API_URL: api, PREFECT_HOME: home, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    try:
        with temporary_settings(here):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _wait_for_the_others(folder: Path, timeout_seconds: float = 300.0) -> None:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        others = [int(user.name) for user in (folder / "users").iterdir()]
        if not any(psutil.pid_exists(pid) for pid in others):
            return
        time.sleep(0.2)
