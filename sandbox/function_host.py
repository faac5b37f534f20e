"""Serves every function's URL by running the package that the sandbox's AWS says is live.

    python -m sandbox.function_host HOME

moto keeps functions but does not run them. Here a broken release is broken: its callers get 502 or its own answer.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.live_code import NoFunction, Throttled
from sandbox.places import Home
from sandbox.processes import live_and_die_with_parent
from sandbox.runners import FunctionFailed, Runners


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    runners: Runners
    functions: dict[int, str]
    """The function behind each port; invocations come to the port that has none."""

    def do_GET(self) -> None:
        """Call the function behind this port's URL."""
        self._answer()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET  # noqa: N815 - the base class's names

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        function = self.functions.get(self.connection.getsockname()[1])
        try:
            if function is None:
                self._invoked(body)
            else:
                self._called(function, body)
        except NoFunction:
            self._send(403, {"Message": "Forbidden"})
        except Throttled:
            self._send(429, {"Message": "Too Many Requests"})
        except FunctionFailed as error:
            print(error, flush=True)  # noqa: T201 - the log of the function
            self._send(502, {"Message": "Internal Server Error"})

    def _called(self, function: str, body: bytes) -> None:
        parts = urlsplit(self.path)
        event = {
            "version": "2.0",
            "rawPath": parts.path,
            "rawQueryString": parts.query,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "requestContext": {"http": {"method": self.command, "path": parts.path}},
            "body": body.decode(errors="replace"),
            "isBase64Encoded": False,
        }
        told = self.runners.call_url(function, event)
        if not isinstance(told, dict) or "statusCode" not in told:
            self._send(200, told)
            return
        self._send(int(told["statusCode"]), told.get("body", ""), told.get("headers", {}))

    def _invoked(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        qualifier = parse_qs(parts.query).get("qualifier", ["$LATEST"])[0]
        try:
            answer, failed = (
                self.runners.call(parts.path.strip("/"), qualifier, json.loads(body or b"{}")),
                False,
            )
        except FunctionFailed as error:
            answer, failed = {"errorMessage": str(error), "errorType": "FunctionFailed"}, True
        self._send(200, {"error": failed, "answer": answer})

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {"content-type": "application/json"}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet: health checks come every second."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers may hang up whenever they like."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    home = Home(Path(arguments[0]))
    addresses = home.addresses()
    live_and_die_with_parent()
    _Handler.functions = {port: function for function, port in addresses.urls.items()}
    servers = [
        _Server(("127.0.0.1", port), _Handler) for port in (addresses.invocations, *addresses.urls.values())
    ]
    _Handler.runners = Runners(home)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        ended.wait()
    _Handler.runners.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
