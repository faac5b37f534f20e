"""A ledger that cannot be written: nothing is promised that is not on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import event

from ledger.database import Ledger
from tests.webhooks.conftest import Receiver, wait_for
from tests.webhooks.prefect_stand_in import PrefectStandIn
from tests.webhooks.sns_rig import Signer


@contextmanager
def pragma(ledger: Ledger, on: str, off: str) -> Iterator[None]:
    """Hold a pragma on every connection of the ledger."""

    def apply(connection: object, _record: object, _proxy: object) -> None:
        connection.execute(on)  # type: ignore[attr-defined]  # a SQLite connection

    event.listen(ledger.engine, "checkout", apply)
    yield
    event.remove(ledger.engine, "checkout", apply)

    def restore(connection: object, _record: object, _proxy: object) -> None:
        connection.execute(off)  # type: ignore[attr-defined]  # a SQLite connection

    event.listen(ledger.engine, "checkout", restore)


def delivered_again(
    receiver: Receiver, sns: Signer, prefect: PrefectStandIn, ledger: Ledger, on: str, off: str, words: str
) -> None:
    """Deliver while the ledger is unusable, and again afterwards."""
    body = sns.notification()
    with pragma(ledger, on, off):
        answer = receiver.post(body)
        health = receiver.http.get("/health")

        assert answer.status_code == 503
        assert words in answer.json()["error"].lower()
        assert answer.headers["retry-after"]
        assert health.status_code == 503
        assert health.json()["status"] == "down"
    assert receiver.rows() == []
    assert prefect.runs == {}

    assert receiver.post(body).json()["alarms"][0]["result"] == "stored"
    wait_for(lambda: len(prefect.runs) == 1)
    wait_for(lambda: receiver.http.get("/health").status_code == 200)


def test_read_only(receiver: Receiver, sns: Signer, prefect: PrefectStandIn, ledger: Ledger) -> None:
    """A read-only ledger answers 503, so SNS delivers again, and then it is dispatched once."""
    delivered_again(
        receiver, sns, prefect, ledger, "PRAGMA query_only=ON", "PRAGMA query_only=OFF", "readonly"
    )


def test_full(receiver: Receiver, sns: Signer, prefect: PrefectStandIn, ledger: Ledger) -> None:
    """A full ledger answers 503, so SNS delivers again, and then it is dispatched once."""
    body = sns.notification("x" * 200_000)
    with pragma(ledger, "PRAGMA max_page_count=1", "PRAGMA max_page_count=1073741823"):
        wait_for(lambda: receiver.post(sns.notification()).status_code == 503 or None, 20)
    assert receiver.post(body).status_code == 200
    assert receiver.post(sns.notification()).json()["alarms"][0]["result"] == "stored"
    wait_for(lambda: len(prefect.runs) == 1)


def test_metrics_without_a_ledger(
    receive: Callable[..., Receiver], ledger: Ledger, monkeypatch: object
) -> None:
    """When the ledger cannot be read the counters still answer, and say so."""
    receiver = receive()
    ledger.reading = None  # type: ignore[assignment,method-assign] # as broken as it gets

    assert receiver.metric("backstop_ledger_up") == 0
