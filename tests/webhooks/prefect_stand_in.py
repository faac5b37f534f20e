"""Prefect's API as far as the dispatcher calls it, over real HTTP; it can be told to fail."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class PrefectStandIn:
    """Remembers runs by their idempotency key, like Prefect. `failures` are statuses to answer with first."""

    def __init__(self) -> None:
        self.url = ""
        self.runs: dict[str, dict[str, Any]] = {}
        self.states: dict[str, str] = {}
        self.posts = 0
        self.failures: list[int] = []
        self.always: int | None = None
        self.missing: set[str] = set()
        self._lock = threading.Lock()

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """The parameters of each run."""
        return [run["parameters"] for run in self.runs.values()]

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer one call."""
        with self._lock:
            if path == "/api/health":
                return (200, {}) if self.always is None else (503, {})
            if any(part in path for part in self.missing):
                return 404, {"detail": "not found"}
            if method == "GET" and path.startswith("/api/flow_runs/"):
                run = path.rsplit("/", 1)[1]
                return 200, {"id": run, "state_type": self.states.get(run, "SCHEDULED")}
            if method == "GET":
                return 200, {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, path))}
            self.posts += 1
            if self.always:
                return self.always, {"detail": "told to"}
            if self.failures:
                return self.failures.pop(0), {"detail": "told to"}
            key = body["idempotency_key"]
            if key in self.runs:
                return 200, self.runs[key]
            self.runs[key] = {"id": str(uuid.uuid4()), "path": path, "parameters": body["parameters"]}
            return 201, self.runs[key]


@contextmanager
def prefect_stand_in() -> Iterator[PrefectStandIn]:
    """Run one on a free port."""
    prefect = PrefectStandIn()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

        def _answer(self, body: dict[str, Any]) -> None:
            status, told = prefect.answer(self.command, self.path.partition("?")[0], body)
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    prefect.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield prefect
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
