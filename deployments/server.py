"""Our own Prefect server: SQLite in its own folder, no telemetry, up in seconds.

`python -m deployments.server PORT [HOST]` is the server process; `PrefectServer` starts and watches one.

It is what `prefect server start` runs, without the four seconds its command line takes to import, and with
a database that starts from Prefect's finished schema (`prefect_schema.sql`) instead of a hundred migrations.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from blocks.settings import settings
from deployments import lifeline
from deployments.schema import lay_out
from rules.errors import StepFailed

_LEASES_ON_DISK = "prefect.server.concurrency.lease_storage.filesystem"
"""In memory, a restart of the server leaks every concurrency slot that was held."""


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class PrefectServer:
    """A Prefect server as a child process that dies with us.

    `home` is its PREFECT_HOME (default: `prefect` in ours); `port` 0 picks a free one.
    """

    def __init__(self, home: Path | None = None, port: int = 0, host: str = "127.0.0.1") -> None:
        self.home = home or settings().home / "prefect"
        self.host = host
        self.port = port or free_port(host)
        self.log = self.home / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the UI is."""
        return f"http://{self.host}:{self.port}"

    @property
    def api(self) -> str:
        """Where the API is: the value for PREFECT_API_URL."""
        return f"{self.address}/api"

    def environment(self) -> dict[str, str]:
        """What a client process needs to talk to this server and keep its files here."""
        return {"PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.home), "DO_NOT_TRACK": "1"}

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process and return at once; `wait_until_healthy` says when it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        own = {
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _LEASES_ON_DISK,
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            # The newer UI draws a form's block picker as a broken picture; who wants it can switch in the menu.
            "PREFECT_SERVER_UI_V2_ENABLED": "false",
        }
        given = dict(os.environ)
        if "PREFECT_SERVER_DATABASE_CONNECTION_URL" not in given:
            lay_out(self.home / "prefect.db")
        self._process = lifeline.start(
            "deployments.server",
            str(self.port),
            self.host,
            environment=own | given | self.environment(),
            log=self.log,
        )
        return self._process

    def wait_until_healthy(self, timeout_seconds: float = 90.0) -> None:
        """Return when the server answers.

        Raises:
            StepFailed: it died, or did not answer in time; the message holds the end of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self.is_healthy():
                return
            if not self.is_alive():
                raise StepFailed(
                    f"The Prefect server ended while it started: {self._last_words()}",
                    hint=f"See {self.log}; `backstop doctor` checks the versions it needs.",
                )
            time.sleep(0.05)
        raise StepFailed(
            f"The Prefect server did not answer within {timeout_seconds:.0f} s: {self._last_words()}",
            hint=f"See {self.log}.",
        )

    def is_healthy(self) -> bool:
        """Whether the API answers now."""
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=2) as answer:  # noqa: S310 - our own http address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id, once started."""
        return self._process.pid if self._process else None

    def stop(self, grace_seconds: float = 8.0) -> None:
        """End the server. Ending a stopped one changes nothing."""
        if self._process is not None:
            lifeline.stop(self._process, grace_seconds)
            self._process = None

    def _last_words(self) -> str:
        if not self.log.is_file():
            return "it wrote no log."
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][-300:] if lines else "its log is empty."


def main(port: int, host: str = "127.0.0.1") -> None:
    """Serve Prefect's API and UI until SIGTERM."""
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(
        create_app(final=True),
        host=host,
        port=port,
        log_level="warning",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,  # open browsers hold websockets for ever
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
