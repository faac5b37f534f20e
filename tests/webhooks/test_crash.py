"""Killed between storing and dispatching: after a restart there is one run, and nothing is lost."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from ledger.database import open_ledger
from ledger.models import AlarmRow
from tests.webhooks.conftest import ROUTES, wait_for
from tests.webhooks.prefect_stand_in import PrefectStandIn
from tests.webhooks.sns_rig import Signer

pytestmark = pytest.mark.crash


@contextmanager
def process(
    folder: Path, certificates: tuple[str, Path], prefect: PrefectStandIn
) -> Iterator[tuple[int, str]]:
    """Run `python -m webhooks.serve`; yields its pid and address."""
    (folder / "routes.yaml").write_text(yaml.safe_dump(ROUTES))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {
        "BACKSTOP_LEDGER_URL": f"sqlite:///{folder / 'ledger.db'}",
        "BACKSTOP_WEBHOOK_PORT": str(port),
        "BACKSTOP_WEBHOOK_ROUTES": str(folder / "routes.yaml"),
        "BACKSTOP_WEBHOOK_CERTIFICATE_HOST": certificates[0],
        "BACKSTOP_WEBHOOK_CERTIFICATE_CA": str(certificates[1]),
        "PREFECT_API_URL": prefect.url,
    }
    served = subprocess.Popen([sys.executable, "-m", "webhooks.serve"], env=os.environ | variables)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: _answers(url), 60)
        yield served.pid, url
    finally:
        if served.poll() is None:
            served.send_signal(signal.SIGTERM)
        served.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def rows(folder: Path) -> list[AlarmRow]:
    """What is in the ledger."""
    with open_ledger(f"sqlite:///{folder / 'ledger.db'}").reading() as session:
        return list(session.query(AlarmRow))


def test_killed_before_dispatching(
    tmp_path: Path, certificates: tuple[str, Path], sns: Signer, prefect: PrefectStandIn
) -> None:
    """SIGKILL after the answer and before the run exists: the restarted receiver asks for it, once."""
    prefect.always = 503
    with process(tmp_path, certificates, prefect) as (pid, url):
        answers = [httpx.post(f"{url}/alarms/sns", content=sns.notification()).status_code for _ in range(3)]
        wait_for(lambda: rows(tmp_path)[0].attempts >= 1)
        os.kill(pid, signal.SIGKILL)
    assert answers == [200, 200, 200]
    assert {row.state for row in rows(tmp_path)} == {"stored"}

    prefect.always = None
    with process(tmp_path, certificates, prefect):
        wait_for(lambda: {row.state for row in rows(tmp_path)} == {"dispatched"}, 20)
    assert len(rows(tmp_path)) == 3
    assert len(prefect.runs) == 1


def test_killed_before_it_could_write_that_it_dispatched(
    tmp_path: Path, certificates: tuple[str, Path], sns: Signer, prefect: PrefectStandIn
) -> None:
    """SIGKILL after Prefect made the run and before that was written: asking again finds the same run."""
    with process(tmp_path, certificates, prefect) as (pid, url):
        httpx.post(f"{url}/alarms/sns", content=sns.notification())
        wait_for(lambda: prefect.runs)
        os.kill(pid, signal.SIGKILL)
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with ledger.session() as session:  # had it been quicker than the kill, take that back
        for row in session.query(AlarmRow):
            row.state, row.flow_run_id, row.dispatched_at = "stored", None, None

    with process(tmp_path, certificates, prefect):
        wait_for(lambda: {row.state for row in rows(tmp_path)} == {"dispatched"}, 20)
    assert len(prefect.runs) == 1
    assert prefect.posts >= 2


def test_stopped_gracefully(
    tmp_path: Path, certificates: tuple[str, Path], sns: Signer, prefect: PrefectStandIn
) -> None:
    """SIGTERM while deliveries come: every one that was answered 200 is in the ledger."""
    with process(tmp_path, certificates, prefect) as (pid, url):
        taken = 0
        with httpx.Client() as http:
            for number in range(40):
                if number == 20:
                    os.kill(pid, signal.SIGTERM)
                try:
                    taken += http.post(f"{url}/alarms/sns", content=sns.notification()).status_code == 200
                except httpx.HTTPError:
                    break
    assert taken >= 20
    assert len(rows(tmp_path)) >= taken
