"""Everything that runs on one machine: the Prefect server, the responder and the alarm receiver, watched.

They are children of this process and cannot outlive it. A part that dies is started again; stopping is in the
reverse order, so that the responder can still tell the server how its runs ended.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from blocks.settings import settings
from deployments import lifeline
from deployments.prefect_yaml import FILE
from deployments.responder import READY
from deployments.server import PrefectServer, free_port
from rules.errors import RecoveryRefused, StepFailed

if TYPE_CHECKING:
    from deployments.changes import Applied

_LONGEST_PAUSE = 30.0
_SETTLED_AFTER = 60.0
_QUIET_TASKS = {"PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING"}
"""The log of a run tells its timeline; «Finished in state Completed()» of each probe would hide it."""


@dataclass(slots=True)
class Part:
    """One child that is started again when it dies, after a pause that doubles while it keeps dying."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    _pause: float = 0.5
    _again_at: float | None = None

    def begin(self) -> None:
        """Start it."""
        self.process = self.start()
        self.started = time.monotonic()
        self._again_at = None

    def tend(self) -> str:
        """Start it again if it is dead and its pause is over. Returns what was found, for people; or nothing."""
        now = time.monotonic()
        if self._again_at is not None:
            if now >= self._again_at:
                self.begin()
                return f"{self.name} was started again"
            return ""
        code = self.process.poll() if self.process else None
        if code is None:
            return ""
        self._pause = 0.5 if now - self.started > _SETTLED_AFTER else min(self._pause * 2, _LONGEST_PAUSE)
        self._again_at = now + self._pause
        return f"{self.name} ended ({code}); it is started again in {self._pause:g} s"

    def end(self, grace_seconds: float) -> None:
        """Stop it for good."""
        self._again_at = None
        if self.process is not None:
            lifeline.stop(self.process, grace_seconds)
            self.process = None


@dataclass(slots=True)
class Stack:
    """The parts, their addresses, and what they have in common. Port 0 means any free one.

    `extra` is put into the environment of every part.
    """

    home: Path = field(default_factory=lambda: settings().home)
    host: str = "127.0.0.1"
    prefect_port: int = 4200
    webhook_port: int = 8081
    environments: Path | None = None
    file: Path = FILE
    extra: dict[str, str] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _text: None
    server: PrefectServer = field(init=False)
    applied: list[Applied] = field(init=False, default_factory=list)
    _parts: list[Part] = field(init=False, default_factory=list)
    _held: ExitStack = field(init=False, default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.home = self.home.resolve()
        self.webhook_port = self.webhook_port or free_port(self.host)
        self.server = PrefectServer(self.home / "prefect", self.prefect_port, self.host)

    @property
    def prefect_address(self) -> str:
        """Where the Prefect UI is; its API is below /api."""
        return self.server.address

    @property
    def webhook_address(self) -> str:
        """Where alarms are taken in."""
        return f"http://{self.host}:{self.webhook_port}"

    def environment(self) -> dict[str, str]:
        """What every part, and everything that wants to talk to them, needs in its environment."""
        own = {
            "BACKSTOP_HOME": str(self.home),
            "BACKSTOP_WEBHOOK_HOST": self.host,
            "BACKSTOP_WEBHOOK_PORT": str(self.webhook_port),
        }
        if self.environments is not None:
            own["BACKSTOP_ENVIRONMENTS"] = str(self.environments.resolve())
        return own | self.server.environment() | self.extra

    def start(self) -> None:
        """Start everything and return when all of it answers.

        Raises:
            RecoveryRefused: it runs already, a port is taken, or a file is wrong.
            StepFailed: a part did not come up.
        """
        self._hold()
        for port in (self.server.port, self.webhook_port):
            self._refuse_taken(port)
        try:
            self._start_parts()
        except BaseException:
            self.stop()
            raise

    def run(self) -> None:
        """Watch the parts until SIGINT or SIGTERM, then stop them. Call it from the main thread after `start`."""
        over = threading.Event()
        before = {
            number: signal.signal(number, lambda *_: over.set()) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            while not over.wait(0.3):
                self.tend()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self.stop()

    def tend(self) -> None:
        """Look after the parts once: whoever died is started again."""
        for part in self._parts:
            if found := part.tend():
                self.say(found)

    def stop(self) -> None:
        """Stop everything. Stopping twice changes nothing."""
        grace = {"responder": 25.0}
        for part in reversed(self._parts):
            part.end(grace.get(part.name, 8.0))
        self._parts.clear()
        for name in ("prefect", "webhook"):
            (self.home / "addresses" / name).unlink(missing_ok=True)
        self._held.close()

    def _start_parts(self) -> None:
        environment = {**_QUIET_TASKS, **os.environ, **self.environment()}
        logs = self.home / "logs"
        (self.home / "responder" / READY).unlink(missing_ok=True)

        def begin(name: str, start: Callable[[], subprocess.Popen[bytes]]) -> Part:
            part = Part(name, start)
            self._parts.append(part)
            part.begin()
            return part

        # All at once: each spends its first seconds importing. The responder waits for the server by itself.
        begin("Prefect server", self.server.start)
        responder = begin(
            "responder",
            lambda: lifeline.start(
                "deployments.responder", environment=environment, log=logs / "responder.log"
            ),
        )
        webhooks = begin(
            "alarm receiver",
            lambda: lifeline.start("webhooks.serve", environment=environment, log=logs / "webhooks.log"),
        )
        self._apply_when_healthy()
        self._wait_for(responder, self._responder_is_ready, logs / "responder.log")
        self._wait_for(webhooks, lambda: _answers(f"{self.webhook_address}/health"), logs / "webhooks.log")
        self._write_addresses()
        self.say(f"Prefect UI {self.prefect_address}   alarms {self.webhook_address}/alarms/")

    def _apply_when_healthy(self) -> None:
        os.environ.setdefault("PREFECT_HOME", str(self.server.home))  # before the import, which makes it
        from prefect.settings import PREFECT_API_URL, temporary_settings

        from deployments.apply import apply

        self.server.wait_until_healthy()
        self.say(f"Prefect server healthy at {self.prefect_address}")
        with temporary_settings({PREFECT_API_URL: self.server.api}):
            self.applied = apply(self.file, self.environments)
        self.say(f"{len(self.applied)} blocks, deployments and automations applied")

    def _responder_is_ready(self) -> bool:
        ready = self.home / "responder" / READY
        responder = next(part for part in self._parts if part.name == "responder")
        return (
            responder.process is not None
            and ready.is_file()
            and ready.read_text(encoding="utf-8") == str(responder.process.pid)
        )

    def _wait_for(self, part: Part, is_ready: Callable[[], bool], log: Path, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not is_ready():
            dead = part.process is None or part.process.poll() is not None
            if dead or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace").strip() if log.is_file() else ""
                raise StepFailed(
                    f"The {part.name} {'ended while it started' if dead else 'did not become ready'}: "
                    f"{said.splitlines()[-1][-300:] if said else 'it said nothing'}",
                    hint=f"See {log}.",
                )
            time.sleep(0.05)

    def _write_addresses(self) -> None:
        folder = self.home / "addresses"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prefect").write_text(self.server.api, encoding="utf-8")
        (folder / "webhook").write_text(self.webhook_address, encoding="utf-8")

    def _hold(self) -> None:
        """One stack a home: two would take each other's ports, folders and runs."""
        self.home.mkdir(parents=True, exist_ok=True)
        lock = self._held.enter_context((self.home / "up.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._held.close()
            raise RecoveryRefused(
                f"Backstop is up already in {self.home}.",
                hint="Use that one, or set BACKSTOP_HOME to another folder.",
            ) from error

    def _refuse_taken(self, port: int) -> None:
        if _is_taken(self.host, port):
            self._held.close()
            raise RecoveryRefused(
                f"Port {port} on {self.host} is taken.",
                hint="Another Prefect or Backstop? Stop it, or choose another port.",
            )


def _is_taken(host: str, port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own http address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
