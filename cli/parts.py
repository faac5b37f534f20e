"""Backstop's own parts, running: Prefect server, responder, webhook receiver. None outlives who started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.failures import Unready
from cli.prefect_api import PrefectApi
from deployments import lifeline
from deployments.server import PrefectServer, free_port

ROOT = Path(lifeline.__file__).resolve().parent.parent
READY_SECONDS = 90.0
LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Parts:
    """The running parts. `webhook` is the receiver's address, `logs` the folder of what they say.

    The kernel ends them when the thread ends that started them: keep it.
    """

    server: PrefectServer
    responder: subprocess.Popen[bytes]
    webhook: str
    logs: Path
    variables: dict[str, str] = field(repr=False)
    receiver: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, home: Path) -> Parts:
        """Start server and responder and return at once."""
        server = PrefectServer(home / "prefect")
        server.start()
        logs = home / "logs"
        own = dict(os.environ) | server.environment()
        responder = lifeline.start("deployments.responder", environment=own, log=logs / "responder.log")
        return cls(server, responder, f"http://127.0.0.1:{free_port()}", logs, own)

    def start_receiver(self, variables: Mapping[str, str]) -> None:
        """Start the webhook receiver with its own part of the environment, and return at once."""
        port = {"BACKSTOP_WEBHOOK_PORT": self.webhook.rpartition(":")[2]}
        environment = self.variables | port | dict(variables)
        self.receiver = lifeline.start(
            "webhooks.serve", environment=environment, log=self.logs / "webhook.log"
        )

    def wait_until_ready(self, say: Callable[[str], None]) -> None:
        """Wait for the server, register everything on it, and wait until a responder serves it.

        Raises:
            Unready: one of them died or did not come up in time.
        """
        say("Prefect server")
        self.server.wait_until_healthy(READY_SECONDS)
        say("registering environments and deployments")
        self._apply()
        say("responder")
        api = PrefectApi(self.server.api)
        served = {"deployments": {"tags": {"all_": ["backstop"]}}, "limit": 200}
        self._wait(
            "responder", lambda: any(d.get("last_polled") for d in api.post("/deployments/filter", served))
        )
        say(self.server.address)

    def stop(self) -> None:
        """End all three, the responder first: it says how its runs ended."""
        begun = [process for process in (self.responder, self.receiver) if process]
        for process in begun:
            process.terminate()
        for process in begun:
            lifeline.stop(process, 8)
        self.server.stop()

    def _apply(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "deployments.apply"],
            env=self.variables,
            cwd=ROOT,  # where prefect.yaml is
            capture_output=True,
            text=True,
            timeout=READY_SECONDS,
            check=False,
        )
        if done.returncode:
            told = done.stderr.strip().splitlines()
            raise Unready(told[-1] if told else "deployments.apply failed.", hint=f"Logs are in {self.logs}.")

    def _wait(self, part: str, is_ready: Callable[[], bool]) -> None:
        give_up = time.monotonic() + READY_SECONDS
        while not is_ready():
            for name, process in (("responder", self.responder), ("webhook", self.receiver)):
                if process and process.poll() is not None:
                    raise Unready(
                        f"The {name} ended with {process.returncode}.", hint=f"See {self.logs / name}.log."
                    )
            if time.monotonic() > give_up:
                raise Unready(f"The {part} did not come up.", hint=f"See {self.logs}.")
            time.sleep(LOOK_SECONDS)
