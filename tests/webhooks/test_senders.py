"""Senders that prove themselves by a token."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.webhooks.conftest import Receiver, wait_for
from tests.webhooks.prefect_stand_in import PrefectStandIn
from tests.webhooks.sns_rig import metric_alarm

TOKEN = "correct-horse-battery"
ALERTS: dict[str, Any] = {
    "version": "4",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "CanaryFailed", "pod": name},
            "annotations": {},
            "startsAt": "2026-01-31T03:12:00Z",
            "fingerprint": name,
        }
        for name in ("a", "b")
    ],
}


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AM_TOKEN", "DIRECT_TOKEN"):
        monkeypatch.setenv(name, TOKEN)


def bearer(token: str = TOKEN) -> dict[str, str]:
    """The header."""
    return {"Authorization": f"Bearer {token}"}


def test_alertmanager(receiver: Receiver, prefect: PrefectStandIn) -> None:
    """Every alert of a group is stored; together they start one run; a repetition starts nothing."""
    body = json.dumps(ALERTS).encode()
    first, answer = (receiver.post(body, "/alarms/alertmanager", **bearer()) for _ in range(2))

    assert first.status_code == answer.status_code == 200

    wait_for(lambda: {row.state for row in receiver.rows()} == {"dispatched"})
    assert len(receiver.rows()) == 2
    assert len(prefect.runs) == 1
    assert [told["result"] for told in answer.json()["alarms"]] == ["repeated", "repeated"]


def test_cloudwatch_without_sns(receiver: Receiver) -> None:
    """A forwarder may send CloudWatch's own JSON."""
    answer = receiver.post(json.dumps(metric_alarm()).encode(), "/alarms/direct", **bearer())

    assert answer.json()["alarms"][0]["result"] == "stored"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/alarms/alertmanager", {}),
        ("/alarms/alertmanager", bearer("wrong")),
        ("/alarms/alertmanager", {"Authorization": "Bearer"}),
        ("/alarms/alertmanager", {"Authorization": f"Basic {TOKEN}"}),
        ("/alarms/alertmanager", {"Authorization": TOKEN}),
        ("/alarms/nobody", bearer()),
        ("/alarms/nobody", bearer("no such sender")),
    ],
)
def test_without_the_token(receiver: Receiver, path: str, headers: dict[str, str]) -> None:
    """A missing or wrong token and an unknown sender are answered alike, before the body is read."""
    answer = receiver.post(b"not even json", path, **headers)

    assert answer.status_code == 401
    assert set(answer.json()) == {"error", "hint"}
    assert receiver.rows() == []


def test_a_token_that_is_not_set(receiver: Receiver) -> None:
    """A sender whose token was forgotten is refused as our fault, not let in by an empty token."""
    answer = receiver.post(b"{}", "/alarms/pipeline", Authorization="Bearer")

    assert answer.status_code == 503
    assert "PIPELINE_TOKEN" in answer.json()["error"]


def test_a_new_token_needs_no_restart(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, receive: Callable[..., Receiver]
) -> None:
    """The token is read when it is needed."""
    monkeypatch.setenv("AM_TOKEN", "another-token")

    assert receiver.post(b"{}", "/alarms/alertmanager", **bearer()).status_code == 401
    assert receiver.post(
        json.dumps(ALERTS).encode(), "/alarms/alertmanager", **bearer("another-token")
    ).is_success


def test_wrong_body(receiver: Receiver) -> None:
    """A body of another shape is one clear error."""
    answer = receiver.post(b'{"version": "3"}', "/alarms/alertmanager", **bearer())

    assert answer.status_code == 400
    assert "AlertmanagerDelivery" in answer.json()["error"]
    assert receiver.rows() == []
