"""A responder as a real process, and short ways to ask the server about it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelling

from deployments.responder import READY
from deployments.run_process import load

HERE = Path(__file__).parent
PATIENCE = 90.0
"""Seconds that a busy machine may take; a test that needs so long has not found a fault."""


def until(what: str, is_so: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until `is_so()` is true and return what it returned; fail, saying `what`, when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := is_so():
            return found
        time.sleep(0.05)
    return pytest.fail(f"never happened: {what}")


@dataclass
class Practice:
    """Deployments of the sample flows under a tag of their own, and responders that serve them."""

    client: SyncPrefectClient
    folder: Path
    tag: str = field(default_factory=lambda: f"practice-{uuid4().hex[:8]}")
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        """Where the sample flows write."""
        return self.folder / "lines"

    def lines(self, mark: str = "", run: UUID | str = "") -> list[list[str]]:
        """What they wrote: mark, pid, time, run."""
        if not self.file.exists():
            return []
        lines = self.file.read_text().splitlines()
        return [line.split() for line in lines if line.startswith(mark) and line.endswith(str(run))]

    def responder(self, **how: float) -> subprocess.Popen[bytes]:
        """A running responder; `how` are its settings."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(HERE),
            "BACKSTOP_HOME": str(self.folder),
            **{f"BACKSTOP_RESPONDER_{name.upper()}": str(value) for name, value in how.items()},
        }
        command = [sys.executable, "-m", "deployments.responder", "sample_flows", "--tag", self.tag]
        with (self.folder / "responder.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.processes.append(process)
        ready = self.folder / "responder" / READY
        until(
            "the responder is ready",
            lambda: ready.is_file() and ready.read_text() == str(process.pid),
        )
        return process

    def deployment(self, name: str, *more_tags: str, entrypoint: str = "", **more: Any) -> UUID:
        """A deployment of one of the sample flows."""
        flow: Flow[..., Any] = load(f"tests.deployments.sample_flows.{name}")
        return self.client.create_deployment(
            flow_id=self.client.create_flow(flow),
            name=f"{name}-{uuid4().hex[:8]}",  # a responder may remember another's entrypoint for a while
            entrypoint=entrypoint or f"sample_flows.{name}",
            tags=[self.tag, *more_tags],
            **more,
        )

    def run(self, deployment: UUID, **parameters: Any) -> UUID:
        """A run of a deployment, due at once."""
        given = {"file": str(self.file)} | parameters
        return self.client.create_flow_run_from_deployment(deployment, parameters=given).id

    def seen(self, run: UUID) -> FlowRun:
        """The run as it is now."""
        return self.client.read_flow_run(run)

    def ends(self, run: UUID, *types: StateType) -> FlowRun:
        """Wait until the run is in one of these states."""

        def is_there() -> FlowRun | None:
            found = self.seen(run)
            return found if found.state_type in types else None

        found: FlowRun = until(f"run in {[one.value for one in types]}", is_there)
        return found

    def names(self, run: UUID) -> list[str]:
        """The names of every state the run was in, in order."""
        states = self.client.read_flow_run_states(run)
        return [str(one.name) for one in sorted(states, key=lambda state: state.timestamp)]

    def cancel(self, run: UUID) -> None:
        """What the button in the UI does."""
        self.client.set_flow_run_state(run, Cancelling())

    def process(self, run: UUID) -> psutil.Process:
        """The process of a run of a sample flow that writes `begin`."""
        return psutil.Process(int(until("the run begins", lambda: self.lines("begin", run))[-1][1]))

    def close(self) -> None:
        """End everything that was started."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        for line in self.lines():  # children of responders that were killed
            with _gone_is_fine():
                os.kill(int(line[1]), signal.SIGKILL)


class _gone_is_fine:  # noqa: N801 - reads like the context managers of the standard library
    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: object, _trace: object) -> bool:
        return isinstance(error, ProcessLookupError)


@pytest.fixture
def practice(prefect_server: str, tmp_path: Path) -> Iterator[Practice]:
    """Give a test deployments and responders of its own on the session's server."""
    with get_client(sync_client=True) as client:
        found = Practice(client, tmp_path)
        try:
            yield found
        finally:
            found.close()


@pytest.fixture(scope="module")
def served(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    """Give the tests of a module one responder to share, because it imports for seconds."""
    with get_client(sync_client=True) as client:
        found = Practice(client, tmp_path_factory.mktemp("served"))
        try:
            found.responder(cancel_grace_seconds=1)
            yield found
        finally:
            found.close()
