"""Run the receiver: `python -m webhooks.serve`, one worker. `--help` shows the settings."""

from __future__ import annotations

import logging
import socket
import sys

import uvicorn

from rules.errors import BackstopError
from webhooks.app import create_app
from webhooks.settings import WebhookSettings

log = logging.getLogger("backstop.webhooks")


def build_server(settings: WebhookSettings) -> uvicorn.Server:
    """The server, ready to `run()`; on SIGTERM or SIGINT it ends after it has answered what came in.

    Raises:
        RecoveryRefused: the routes file is wrong, or the ledger cannot be opened.
    """
    return uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_graceful_shutdown=20,
            limit_concurrency=2_000,
            server_header=False,
        )
    )


def listening_socket(settings: WebhookSettings) -> socket.socket:
    """Bind first: then a taken port is one clear error, and a free one (port 0) is known before the start."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((settings.host, settings.port))
    listening.listen(2_048)
    return listening


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit code 1 when it could not start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings = WebhookSettings(_cli_parse_args=arguments if arguments is not None else True)
    try:
        server = build_server(settings)
        listening = listening_socket(settings)
    except BackstopError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.\n")
        return 1
    port = listening.getsockname()[1]
    log.info("taking alarms at http://%s:%d/alarms/", settings.host, port)
    server.run(sockets=[listening])
    return 0


if __name__ == "__main__":
    sys.exit(main())
