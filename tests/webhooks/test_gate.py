"""Size, time and rate, before anything is read."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.webhooks.conftest import Receiver
from tests.webhooks.sns_rig import Signer
from webhooks.gate import Rate


def raw(receiver: Receiver, sent: bytes, wait: float = 5.0) -> bytes:
    """Send bytes over a connection of one's own; return what comes back."""
    address = (receiver.http.base_url.host, receiver.http.base_url.port or 0)
    with socket.create_connection(address, timeout=wait) as connection:
        connection.sendall(sent)
        return connection.recv(65_536)


def test_oversized(receiver: Receiver, sns: Signer) -> None:
    """A body above the limit is refused by its announced length."""
    answer = receiver.post(sns.notification("x" * 262_144))

    assert answer.status_code == 413
    assert "262144 bytes" in answer.json()["error"]


def test_oversized_without_saying_so(receiver: Receiver) -> None:
    """A body that announces no length is counted as it comes."""
    chunk = b"%x\r\n%s\r\n" % (60_000, b"x" * 60_000)
    head = b"POST /alarms/sns HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    assert raw(receiver, head + chunk * 5).startswith(b"HTTP/1.1 413")


def test_slow_body(receive: Callable[..., Receiver]) -> None:
    """A sender that keeps us waiting for its body is let go."""
    receiver = receive(body_seconds=0.2)
    head = b"POST /alarms/sns HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"

    assert raw(receiver, head).startswith(b"HTTP/1.1 408")


def test_too_many_requests(receive: Callable[..., Receiver], sns: Signer) -> None:
    """Above the rate a sender is asked to come back: 503, which SNS repeats; reading health stays free."""
    receiver = receive(requests_per_minute=3)
    answers = [receiver.post(sns.notification()) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 503, 503]
    assert int(answers[-1].headers["retry-after"]) <= 60
    assert receiver.http.get("/health").status_code == 200


def test_rate() -> None:
    """Addresses are counted apart, and every minute starts anew."""
    now = 100.0
    rate = Rate(2, lambda: now)

    assert [rate.take("a"), rate.take("a"), rate.take("a"), rate.take("b")] == [True, True, False, True]
    now += 60
    assert rate.take("a")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/alarms/sns", 405), ("POST", "/nothing", 404), ("GET", "/docs", 404)],
)
def test_nothing_else_answers(receiver: Receiver, method: str, path: str, status: int) -> None:
    """Only the four addresses answer."""
    assert receiver.http.request(method, path).status_code == status
