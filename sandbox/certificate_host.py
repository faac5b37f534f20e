"""Serves the signing certificate over HTTPS, and takes the confirmations of subscriptions, as SNS does.

python -m sandbox.certificate_host HOME
"""

from __future__ import annotations

import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sandbox.places import Home
from sandbox.processes import live_and_die_with_parent


class _Handler(BaseHTTPRequestHandler):
    home: Home
    pem: bytes

    def do_GET(self) -> None:
        """Hand out the certificate, or note a confirmation."""
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.endswith(".pem"):
            self._send(200, self.pem, "application/x-pem-file")
        elif asked.get("Action") == "ConfirmSubscription" and "Token" in asked:
            note = {"topic": asked.get("TopicArn", ""), "token": asked["Token"], "at": time.time()}
            with self.home.confirmations.open("a", encoding="utf-8") as file:
                file.write(json.dumps(note) + "\n")
            self._send(200, b"<ConfirmSubscriptionResponse/>", "text/xml")
        else:
            self._send(404, b"", "text/plain")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Quiet."""


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    home = Home(Path(arguments[0]))
    live_and_die_with_parent()
    _Handler.home, _Handler.pem = home, home.certificate.read_bytes()
    server = ThreadingHTTPServer(("127.0.0.1", home.addresses().certificates), _Handler)
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(home.certificate, home.signing_key)
    # The handshake happens in the connection's own thread: one that never finishes it blocks nobody.
    server.socket = secure.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
