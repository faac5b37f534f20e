"""Runs what is live: one process per code and settings, kept while it is asked for."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from sandbox.live_code import Live, LiveCode, Throttled
from sandbox.places import EXECUTION, REGION, Home


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
        if live.closed:
            raise Throttled(live.function)
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
            "AWS_EXECUTION_ENV": EXECUTION,
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
