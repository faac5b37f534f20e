"""Runs Lambda handlers. One process keeps the heavy imports ready and forks a runner for each package.

    python -m sandbox.function_worker      started by the function host, which writes one JSON line per runner:
    {"socket": path, "package": folder, "handler": "module.function", "variables": {…}}

A runner listens on its socket and answers one invocation at a time, as an instance of a Lambda function does: a JSON
line in, a JSON line out, `{"answer": …}` or `{"error": …}`.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

PR_SET_PDEATHSIG = 1


def main() -> int:
    """Fork runners until the host hangs up."""
    import boto3

    boto3.client("dynamodb")  # loads what every handler needs; runners share it
    boto3.client("secretsmanager")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)  # noqa: T201 - the host waits for this line
    for line in sys.stdin:
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            _run(json.loads(line))
            os._exit(0)
    return 0


def _run(order: dict[str, Any]) -> None:
    """Serve invocations of one package until killed."""
    import boto3

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(order["variables"])
    boto3.DEFAULT_SESSION = None  # made before the fork, with another function's settings
    sys.path.insert(0, order["package"])
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(order["socket"])
        server.listen(8)
        try:
            module, _, name = order["handler"].rpartition(".")
            handler = getattr(importlib.import_module(module), name)
        except BaseException:  # noqa: BLE001 - whatever the package does when imported is what its callers get
            handler = _broken(traceback.format_exc(limit=-3))
        while True:
            with server.accept()[0] as connection, contextlib.suppress(OSError):
                _answer(connection, handler)


def _answer(connection: socket.socket, handler: Callable[[Any, Any], Any]) -> None:
    with connection.makefile("rwb") as stream:
        line = stream.readline()
        if not line:
            return
        try:
            told = json.dumps({"answer": handler(json.loads(line), None)})
        except BaseException:  # noqa: BLE001 - a handler's failure is its answer
            told = json.dumps({"error": traceback.format_exc(limit=-3)})
        stream.write(told.encode() + b"\n")
        stream.flush()


def _broken(why: str) -> Callable[[Any, Any], Any]:
    def handler(event: Any, context: Any) -> Any:
        raise RuntimeError(f"the package cannot be imported: {why}")

    return handler


if __name__ == "__main__":
    sys.exit(main())
