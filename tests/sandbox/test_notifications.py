"""Alarms that change their state are told to the webhook as Amazon SNS tells it."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox import faults, sns
from sandbox.organs import organ_client
from sandbox.world import Sandbox


class Receiver:
    """A webhook that refuses the first messages it gets."""

    def __init__(self, refuse: int = 0) -> None:
        self.got: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refused = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.refused < refuse:
                    outer.refused += 1
                    self.send_response(503)
                else:
                    outer.got.append(json.loads(body))
                    outer.headers.append(dict(self.headers))
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alarms/sns"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook that refuses once."""
    found = Receiver(refuse=1)
    yield found
    found.server.shutdown()
    found.server.server_close()


def fetched(url: str, trusted: Path) -> x509.Certificate:
    """The certificate behind a SigningCertURL, fetched as a careful receiver does."""
    context = ssl.create_default_context(cafile=trusted)
    with urllib.request.urlopen(url, context=context, timeout=5) as answer:
        return x509.load_pem_x509_certificate(answer.read())


def verify(message: dict[str, str], certificate: x509.Certificate) -> None:
    """Check a signature, written from AWS's description and not from the code that signs."""
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    algorithm = {"1": hashes.SHA1, "2": hashes.SHA256}[message["SignatureVersion"]]()
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), algorithm)


@pytest.mark.real
@pytest.mark.slow
def test_a_failing_service_is_told_to_the_webhook(fresh_sandbox: Sandbox, receiver: Receiver) -> None:
    """Broken code ends as a signed, verifiable ALARM notification of the composite alarm, retried until taken."""
    fresh_sandbox.subscribe(receiver.url)
    faults.start(fresh_sandbox, "dashboard-code")

    def told() -> dict[str, Any] | None:
        return next(
            (m for m in receiver.got if json.loads(m["Message"])["AlarmName"] == "prod-sentiment-service"),
            None,
        )

    fresh_sandbox.wait_for(lambda: told() is not None, "the notification arrives")

    message = told()
    assert message is not None
    verify(message, fetched(message["SigningCertURL"], fresh_sandbox.home.certificate))
    assert message["TopicArn"] == "arn:aws:sns:us-east-1:123456789012:prod-sentiment-alarms"
    alarm = json.loads(message["Message"])
    assert (alarm["OldStateValue"], alarm["NewStateValue"], alarm["AWSAccountId"]) == (
        "OK",
        "ALARM",
        "123456789012",
    )
    assert "prod-sentiment-dashboard-errors" in alarm["AlarmRule"]
    assert receiver.refused == 1
    assert receiver.headers[0]["X-Amz-Sns-Message-Type"] == "Notification"
    with pytest.raises(InvalidSignature):
        verify(
            message | {"Message": message["Message"] + " "},
            fetched(message["SigningCertURL"], fresh_sandbox.home.certificate),
        )


@pytest.mark.real
@pytest.mark.slow
def test_an_alarm_that_is_set_by_hand_is_told_too(qa_sandbox: Sandbox, receiver: Receiver) -> None:
    """SetAlarmState does what a metric does: the alarm's topics are told of a change, and of no repetition."""
    qa_sandbox.reset()
    place, client = (
        qa_sandbox.place("preprod"),
        organ_client("cloudwatch", qa_sandbox.home.addresses().aws_url),
    )
    qa_sandbox.subscribe(receiver.url)

    for reason in ("a drill", "again"):
        client.set_alarm_state(AlarmName=place.lock_alarm, StateValue="ALARM", StateReason=reason)
    client.set_alarm_state(AlarmName=place.lock_alarm, StateValue="OK", StateReason="over")
    qa_sandbox.wait_for(lambda: bool(receiver.got), "the notification arrives")
    qa_sandbox.subscribe("")
    qa_sandbox.reset()

    [message] = receiver.got
    verify(message, fetched(message["SigningCertURL"], qa_sandbox.home.certificate))
    told = json.loads(message["Message"])
    assert message["TopicArn"] == place.topic
    assert (told["AlarmName"], told["NewStateValue"], told["NewStateReason"]) == (
        place.lock_alarm,
        "ALARM",
        "a drill",
    )


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("version", ["1", "2"])
def test_a_subscription_is_confirmed_over_https(
    fresh_sandbox: Sandbox, receiver: Receiver, version: Literal["1", "2"]
) -> None:
    """The request to confirm verifies in both signature versions, and following its link confirms it."""
    topic = fresh_sandbox.place("prod").topic

    assert sns.subscribe(fresh_sandbox.home, topic, version=version, url=receiver.url)

    message = receiver.got[0]
    verify(message, fetched(message["SigningCertURL"], fresh_sandbox.home.certificate))
    context = ssl.create_default_context(cafile=fresh_sandbox.home.certificate)
    with urllib.request.urlopen(message["SubscribeURL"], context=context, timeout=5) as answer:
        assert answer.status == 200
    confirmed = [json.loads(line) for line in fresh_sandbox.home.confirmations.read_text().splitlines()]
    assert confirmed[-1]["token"] == message["Token"]


def test_nobody_is_told_when_nobody_subscribed(tmp_path: Path) -> None:
    """Without a webhook a notification goes nowhere, and that is said."""
    from sandbox.places import Home

    assert sns.webhook(Home(tmp_path)) == ""
    assert not sns.publish(Home(tmp_path), "arn:aws:sns:us-east-1:123456789012:t", "text")
