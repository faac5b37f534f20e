"""What fires is read whole, and what cannot be asked says so."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.stub import Stubber

from blocks.secret_reference import SecretReference
from rules.errors import StepFailed, TransientFailure
from tasks.standing_alarms import firing_in_alertmanager, firing_in_cloudwatch
from tests.tasks.lambda_service import Service

ASKED = {"StateValue": "ALARM", "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
ALERT = {
    "labels": {"alertname": "CanaryDown"},
    "annotations": {},
    "startsAt": "2026-01-31T03:12:00Z",
    "fingerprint": "f1",
}
TOKEN = SecretReference(source="environment", name="ASK_TOKEN")


def told(name: str, **more: Any) -> dict[str, Any]:
    """One alarm of an answer."""
    return {
        "AlarmName": name,
        "AlarmArn": f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}",
        "StateValue": "ALARM",
        "StateUpdatedTimestamp": datetime(2026, 1, 31, 3, 12, tzinfo=UTC),
        **more,
    }


@contextmanager
def alertmanager(status: int, body: bytes) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An Alertmanager that gives one answer; its address, and what it was asked with which authorization."""
    asked: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("authorization", "")))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", asked
    finally:
        server.shutdown()
        server.server_close()


def test_both_types_and_every_page_are_read(service: Service) -> None:
    """Only what fires is asked for, to the last page; an alarm that somebody muted is left out."""
    client = service.environment.aws.client("cloudwatch")
    first = {"MetricAlarms": [told("b"), told("muted", ActionsEnabled=False)], "NextToken": "more"}
    rest = {"CompositeAlarms": [told("a", AlarmRule="ALARM(b)")], "MetricAlarms": []}
    with Stubber(client) as stub:
        stub.add_response("describe_alarms", first, ASKED)
        stub.add_response("describe_alarms", rest, {**ASKED, "NextToken": "more"})

        found = firing_in_cloudwatch.fn(service.environment)

    assert [alarm.name for alarm in found] == ["b", "a"]
    assert {(alarm.account, alarm.region, alarm.source) for alarm in found} == {
        ("123456789012", "us-east-1", "sns")
    }


def test_alertmanager_is_asked_for_what_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silenced and inhibited alerts are not asked for; the token goes along where one is wanted."""
    monkeypatch.setenv("ASK_TOKEN", "t-o-k-e-n")
    with alertmanager(200, json.dumps([ALERT]).encode()) as (address, asked):
        [alarm] = firing_in_alertmanager.fn("alertmanager", address, TOKEN)

    [(path, authorization)] = asked
    assert (alarm.name, alarm.source) == ("CanaryDown", "alertmanager")
    assert authorization == "Bearer t-o-k-e-n"
    assert urlsplit(path).path == "/api/v2/alerts"
    assert parse_qs(urlsplit(path).query)["silenced"] == ["false"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, b"", TransientFailure),
        (401, b"", StepFailed),
        (200, b"<html>", StepFailed),
        (200, b'[{"no": "alert"}]', Exception),
    ],
)
def test_an_answer_that_is_none(status: int, body: bytes, error: type[Exception]) -> None:
    """Nobody takes an error page for silence."""
    with alertmanager(status, body) as (address, _), pytest.raises(error):
        firing_in_alertmanager.fn("alertmanager", address, None)


def test_nobody_there() -> None:
    """An address where nobody listens is a failure that may pass."""
    with pytest.raises(TransientFailure, match="does not answer"):
        firing_in_alertmanager.fn("alertmanager", "http://127.0.0.1:9", None)
