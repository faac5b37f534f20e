"""Keeps the provider's imports ready and forks a provider whenever Terraform starts one.

python -m sandbox.provider_host HOME
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import TypedDict

from sandbox.places import Home
from sandbox.processes import obey

HEAVY = (
    "grpc",
    "tf.provider",
    "tf.runner",
    "tf.gen.grpc_controller_pb2_grpc",
    "tf.gen.grpc_stdio_pb2_grpc",
    "tf.gen.tfplugin_pb2_grpc",
    "cryptography.x509",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.hazmat.primitives.serialization",
    "grpc._server",
    "concurrent.futures.thread",
    "encodings.idna",
)
"""What a provider would else import after its birth, each of them again."""
SERVICES = ("lambda", "dynamodb", "s3", "secretsmanager", "sns", "cloudwatch", "sts")
_MOST_BYTES = 1 << 20


class _Order(TypedDict):
    """What the launcher sends."""

    environment: dict[str, str]
    folder: str


def main(arguments: list[str]) -> int:
    """Fork providers until told to stop."""
    for heavy in HEAVY:
        importlib.import_module(heavy)

    from sandbox.provider import Aws
    from sandbox.provider_resources import clients

    home = Home(Path(arguments[0]))
    parent = obey()
    clients.warm_up(SERVICES)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with tempfile.TemporaryDirectory(prefix="backstop-provider-") as folder:
        server = socket.socket(socket.AF_UNIX)
        server.bind(f"{folder}/socket")
        server.listen(32)
        home.provider_socket.write_text(f"{folder}/socket", encoding="utf-8")

        def end(*_: object) -> None:
            raise SystemExit(0)

        signal.signal(signal.SIGTERM, end)
        watched: list[socket.socket | int] = [server] if parent is None else [server, parent]
        while server in select.select(watched, [], [])[0]:  # no thread to wait: this process forks
            connection = server.accept()[0]
            if os.fork() == 0:
                server.close()
                _provide(connection, Aws())
            connection.close()
    return 0


def _provide(connection: socket.socket, provider: object) -> None:
    """Be the provider of the process that asked, in its folder, with its environment and files."""
    code = b"1"
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        order, files = _received(connection)
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["folder"])
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        from tf.runner import run_provider

        run_provider(provider, ["provider"])
        code = b"0"
    finally:
        connection.send(code)
        os._exit(0)


def _received(connection: socket.socket) -> tuple[_Order, list[int]]:
    text = b""
    files: list[int] = []
    while True:
        part, got, _, _ = socket.recv_fds(connection, _MOST_BYTES, 3)
        if not part:
            return json.loads(text), files
        text += part
        files += got


def _end_with(connection: socket.socket) -> None:
    """End at once when the process that asked is gone."""
    poller = select.poll()
    poller.register(connection, select.POLLHUP)
    while not any(event & select.POLLHUP for _, event in poller.poll()):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
