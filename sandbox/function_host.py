"""Serves every function's URL by running the package that the sandbox's AWS says is live.

    python -m sandbox.function_host HOME

moto keeps functions but does not run them. Here a broken release is broken: its callers get 502 or its own answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.live_code import Live, LiveCode, NoFunction
from sandbox.places import REGION, Home
from sandbox.processes import live_and_die_with_parent


class FunctionFailed(Exception):
    """The function raised, ran out of time, or its package cannot be run."""


class Runners:
    """One runner per code and settings."""

    def __init__(self, home: Home) -> None:
        self._code = LiveCode(home)
        self._sockets = Path(tempfile.mkdtemp(prefix="backstop-functions-"))
        self._lock = threading.Lock()
        self._running: dict[str, threading.Lock] = {}
        self._aws = home.addresses().aws_url
        self._parent = subprocess.Popen(
            [sys.executable, "-P", "-m", "sandbox.function_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ) | self._cloud("none"),
        )
        assert self._parent.stdout  # noqa: S101 - it was asked for
        self._parent.stdout.readline()

    def close(self) -> None:
        """End the runners and remove their sockets."""
        self._parent.kill()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def call_url(self, function: str, event: Any) -> Any:
        """What the function behind a URL answers."""
        return self._call(self._code.of_url(function), event)

    def call(self, function: str, qualifier: str, event: Any) -> Any:
        """What a function answers to an invocation."""
        return self._call(self._code.of(function, qualifier), event)

    def _call(self, live: Live, event: Any) -> Any:
        one_at_a_time = self._ensure(live)
        with one_at_a_time, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(live.timeout)
            try:
                _connect(connection, str(self._sockets / live.key))
                with connection.makefile("rwb") as stream:
                    stream.write(json.dumps(event).encode() + b"\n")
                    stream.flush()
                    told = json.loads(
                        stream.readline() or b'{"error": "the function ended without an answer"}'
                    )
            except OSError as error:
                self._forget(live)
                raise FunctionFailed(f"no answer within {live.timeout:g} s: {error}") from error
        if "error" in told:
            raise FunctionFailed(told["error"])
        return told["answer"]

    def _ensure(self, live: Live) -> threading.Lock:
        with self._lock:
            if live.key not in self._running:
                try:
                    package = self._code.unpacked(live)
                except Exception as error:
                    raise FunctionFailed(f"the package cannot be unpacked: {error}") from error
                order = {
                    "socket": str(self._sockets / live.key),
                    "package": str(package),
                    "handler": live.handler,
                    "variables": live.variables | self._cloud(live.function),
                }
                assert self._parent.stdin  # noqa: S101 - it was asked for
                self._parent.stdin.write(json.dumps(order) + "\n")
                self._parent.stdin.flush()
                self._running[live.key] = threading.Lock()
            return self._running[live.key]

    def _forget(self, live: Live) -> None:
        """Begin anew next time: the runner hangs or is gone."""
        with self._lock:
            self._running.pop(live.key, None)
            (self._sockets / live.key).unlink(missing_ok=True)

    def _cloud(self, function: str) -> dict[str, str]:
        """What Lambda itself puts into a function's environment."""
        return {
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self._aws,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


def _connect(connection: socket.socket, path: str) -> None:
    """Connect to a runner that may be only just starting."""
    deadline = time.monotonic() + 10
    while True:
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    runners: Runners
    functions: dict[int, str]
    """The function behind each port; invocations come to the port that has none."""

    def do_GET(self) -> None:
        """Call the function behind this port's URL."""
        self._answer()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_GET

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        function = self.functions.get(self.server.server_address[1])  # type: ignore[index]
        try:
            if function is None:
                self._invoked(body)
            else:
                self._called(function, body)
        except NoFunction:
            self._send(403, {"Message": "Forbidden"})
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
