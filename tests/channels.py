"""A channel that people could read: a web server on this machine that keeps what is posted to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from blocks.secret_reference import SecretReference


class Channel:
    """What was told, in order; `hang` makes it take a message and never answer."""

    def __init__(self, port: int) -> None:
        self.address = f"json://127.0.0.1:{port}/"
        self.told: list[dict[str, Any]] = []
        self.hang = threading.Event()
        self.over = threading.Event()
        self.status = 200

    @property
    def titles(self) -> list[str]:
        """The titles told so far."""
        return [str(message["title"]) for message in self.told]


@contextmanager
def open_channel() -> Iterator[Channel]:
    """Serve a channel on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            channel.told.append(json.loads(body))
            if channel.hang.is_set():
                channel.over.wait(20)
            self.send_response(channel.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    channel = Channel(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield channel
    finally:
        channel.over.set()
        server.shutdown()
        server.server_close()


def kept_in(name: str) -> SecretReference:
    """Where a test keeps a channel's address."""
    return SecretReference(source="environment", name=name)
