"""A real receiver: uvicorn on a free port, a certificate host, a stand-in for Prefect, an own ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import select

from flows._alarm_routes import Configuration
from ledger.database import Ledger, open_ledger
from ledger.models import AlarmRow
from tests.webhooks.prefect_stand_in import PrefectStandIn, prefect_stand_in
from tests.webhooks.sns_rig import TOPIC, Signer, certificate_host
from webhooks.app import create_app
from webhooks.serve import listening_socket
from webhooks.settings import WebhookSettings

ROUTES: dict[str, Any] = {
    "topics": [TOPIC],
    "environments": {
        "prod": {"account": "111111111111", "region": "us-east-1"},
        "preprod": {"account": "222222222222", "region": "us-east-1"},
    },
    "senders": {
        "alertmanager": {"format": "alertmanager", "token": {"source": "environment", "name": "AM_TOKEN"}},
        "direct": {"format": "cloudwatch", "token": {"source": "environment", "name": "DIRECT_TOKEN"}},
        "pipeline": {"format": "generic", "token": {"source": "environment", "name": "PIPELINE_TOKEN"}},
    },
    "routes": [
        {"alarm": "prod-sentiment-*", "scenario": "canary-failure", "environment": "prod"},
        {
            "alarm": "Canary*",
            "source": "alertmanager",
            "scenario": "canary-failure",
            "environment": "preprod",
        },
    ],
}


@dataclass
class Receiver:
    """A running receiver, as a sender sees it."""

    http: httpx.Client
    ledger: Ledger

    def post(self, body: bytes, path: str = "/alarms/sns", **headers: str) -> httpx.Response:
        """Deliver."""
        return self.http.post(path, content=body, headers=headers)

    def rows(self) -> list[AlarmRow]:
        """Every alarm in the ledger, by arrival."""
        with self.ledger.reading() as session:
            return list(session.scalars(select(AlarmRow).order_by(AlarmRow.id)))

    def metric(self, line: str) -> float:
        """A figure of /metrics."""
        found = [told for told in self.http.get("/metrics").text.splitlines() if told.startswith(line + " ")]
        return float(found[0].rsplit(" ", 1)[1]) if found else 0.0


@contextmanager
def running(
    settings: WebhookSettings, ledger: Ledger, routes: dict[str, Any] | None = None
) -> Iterator[Receiver]:
    """Run a receiver until the block ends, and stop it gracefully."""
    configuration = Configuration.model_validate(ROUTES if routes is None else routes)
    app = create_app(settings, ledger=ledger, configuration=configuration)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    listening = listening_socket(settings)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=20) as http:
        yield Receiver(http, ledger)
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            assert value, "it did not come true in time"
            return value
        time.sleep(0.01)


@pytest.fixture(scope="session")
def signers() -> dict[str, Signer]:
    """SNS's key, a stranger's, one whose certificate has run out, and a weak one."""
    return {"sns": Signer(), "stranger": Signer(), "expired": Signer(days=-1), "weak": Signer(bits=1024)}


@pytest.fixture(scope="session")
def certificates(
    tmp_path_factory: pytest.TempPathFactory, signers: dict[str, Signer]
) -> Iterator[tuple[str, Path]]:
    """The certificate host of all signers but the stranger, who claims SNS's certificate as his own."""
    folder = tmp_path_factory.mktemp("certificates")
    with certificate_host(folder, signers["sns"], signers["expired"], signers["weak"]) as served:
        signers["stranger"].url = signers["sns"].url
        yield served


@pytest.fixture
def sns(signers: dict[str, Signer], certificates: tuple[str, Path]) -> Signer:
    """SNS."""
    return signers["sns"]


@pytest.fixture
def prefect() -> Iterator[PrefectStandIn]:
    """A stand-in for Prefect's API."""
    with prefect_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def settings(certificates: tuple[str, Path], prefect: PrefectStandIn) -> WebhookSettings:
    """Settings of a receiver for tests: any port, the test's certificate host, the stand-in."""
    host, bundle = certificates
    return WebhookSettings(
        port=0,
        certificate_host=host,
        certificate_ca=bundle,
        prefect_api_url=prefect.url,
        sweep_seconds=0.2,
        confirm_subscriptions=False,
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """An empty ledger."""
    return open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


@pytest.fixture
def receive(ledger: Ledger, settings: WebhookSettings) -> Iterator[Callable[..., Receiver]]:
    """Start a receiver; keyword arguments change its settings, `routes` its routes file."""
    with ExitStack() as stack:

        def start(routes: dict[str, Any] | None = None, **changes: Any) -> Receiver:
            changed = settings.model_copy(update=changes)
            return stack.enter_context(running(changed, ledger, routes))

        yield start


@pytest.fixture
def receiver(receive: Callable[..., Receiver]) -> Receiver:
    """A running receiver."""
    return receive()
