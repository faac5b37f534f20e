"""The HTTP server of the sandbox's AWS. Connections stay open, as AWS's do; moto's own server closes each."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote
from wsgiref.types import WSGIApplication, WSGIEnvironment

from cheroot.wsgi import Gateway_10, Server

CONNECTION = "sandbox.connection"
"""In a request's environment: the socket it came by."""

_THREADS = 64
"""Each long poll has one."""

_CONNECTIONS, _IDLE_SECONDS = 512, 3600


class _Gateway(Gateway_10):
    """One request, told as moto expects it."""

    def __init__(self, req: Any) -> None:
        super().__init__(req)
        uri = self.env["REQUEST_URI"]
        # cheroot leaves %2F as it is, which ARNs in paths hold.
        path = unquote(uri.partition("?")[0], "latin-1")
        self.env |= {"RAW_URI": uri, "PATH_INFO": path, CONNECTION: req.conn.socket}


def server_of(application: WSGIApplication, port: int) -> Server:
    """A server on 127.0.0.1, not started yet."""
    server = Server(
        ("127.0.0.1", port), application, numthreads=_THREADS, request_queue_size=128, timeout=_IDLE_SECONDS
    )
    server.gateway = _Gateway
    server.keep_alive_conn_limit = _CONNECTIONS
    return server


def hang_up(environ: WSGIEnvironment) -> Iterable[bytes]:
    """Close the caller's connection without a byte of answer."""
    environ[CONNECTION].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
