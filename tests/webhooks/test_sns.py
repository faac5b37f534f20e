"""SNS messages at a real receiver: what is taken, and every way in which one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.webhooks.conftest import ROUTES, Receiver
from tests.webhooks.sns_rig import TOPIC, Signer, metric_alarm, sns_time


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", ["ALARM: errors", None])
def test_a_signed_alarm_is_stored(receiver: Receiver, sns: Signer, version: str, subject: str | None) -> None:
    """Both signature versions, with and without a subject, are taken, and the alarm is in the ledger."""
    answer = receiver.post(sns.notification(version=version, Subject=subject))

    assert answer.status_code == 200
    (row,) = receiver.rows()
    assert (row.name, row.status, row.scenario, row.environment) == (
        "prod-sentiment-errors",
        "alarm",
        "canary-failure",
        "prod",
    )
    assert row.id == answer.json()["alarms"][0]["id"]


def refused(receiver: Receiver, body: bytes, status: int, reason: str) -> dict[str, str]:
    """Post, and expect one clear refusal after which nothing is stored."""
    answer = receiver.post(body)

    assert answer.status_code == status, answer.text
    told: dict[str, str] = answer.json()
    assert set(told) == {"error", "hint"}
    assert told["hint"]
    assert receiver.rows() == []
    name = f'backstop_webhook_deliveries_total{{result="refused-{reason}",source="sns"}}'
    assert receiver.metric(name) == 1
    return told


def test_forged(receiver: Receiver, signers: dict[str, Signer]) -> None:
    """A message signed by another key is refused."""
    refused(receiver, signers["stranger"].notification(), 403, "signature")


@pytest.mark.parametrize("field", ["Message", "MessageId", "Subject", "Timestamp", "Signature"])
def test_tampered(receiver: Receiver, sns: Signer, field: str) -> None:
    """Changing any signed field afterwards is seen."""
    message = json.loads(sns.notification())
    message[field] = (
        sns_time(datetime.now(UTC) - timedelta(seconds=9))
        if field == "Timestamp"
        else "A" + message[field][1:] + "A"
    )

    refused(receiver, json.dumps(message).encode(), 403, "signature")


def test_a_subject_added_afterwards(receiver: Receiver, sns: Signer) -> None:
    """A subject that was not signed is seen."""
    message = json.loads(sns.notification(Subject=None)) | {"Subject": "hello"}

    refused(receiver, json.dumps(message).encode(), 403, "signature")


def test_wrong_topic(receiver: Receiver, sns: Signer) -> None:
    """A rightly signed message of a topic that is not ours is refused: anybody can make a topic."""
    refused(receiver, sns.notification(TopicArn=TOPIC + "x"), 403, "topic")


def test_no_topics_is_no_open_door(receive: Callable[..., Receiver], sns: Signer) -> None:
    """Without a list of topics everything is refused, and the answer says what to do."""
    told = refused(receive(routes=ROUTES | {"topics": []}), sns.notification(), 403, "topic")

    assert "`topics`" in told["hint"]


@pytest.mark.parametrize("seconds", [3_700, -400])
def test_wrong_time(receiver: Receiver, sns: Signer, seconds: int) -> None:
    """A message from before the window, or from the future, is refused though its signature is right."""
    stamp = sns_time(datetime.now(UTC) - timedelta(seconds=seconds))

    refused(receiver, sns.notification(Timestamp=stamp), 403, "old")


def test_version_1_can_be_refused(receive: Callable[..., Receiver], sns: Signer) -> None:
    """With `require_signature_v2` a SHA-1 signature is refused and a SHA-256 one is taken."""
    receiver = receive(require_signature_v2=True)

    told = refused(receiver, sns.notification(version="1"), 403, "version")
    assert "SignatureVersion" in told["hint"]
    assert receiver.post(sns.notification(version="2")).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.us-east-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/x.pem",
        "http://sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/x.pem",
        "https://sns.us-east-1.amazonaws.com:8443/x.pem",
        "https://sns.us-east-1.amazonaws.com/x.txt",
        "https://sns.us-east-1.amazonaws.com/x.pem?y=1",
        "https://sns.us-east-1.amazonaws.com\\@evil.example/x.pem",
        "https://bucket.s3.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.pem",
        "https://SNS.us-east-1.amazonaws.com/x.pem",
        "https://localhost:1/x.pem",
        "file:///etc/ssl/x.pem",
        "",
    ],
)
def test_look_alike_certificate_hosts(receiver: Receiver, sns: Signer, url: str) -> None:
    """A certificate is fetched from SNS's own host of the topic's region only."""
    message = json.loads(sns.notification()) | {"SigningCertURL": url}

    refused(receiver, json.dumps(message).encode(), 403, "certificate")


def test_the_further_host_is_off_by_default(receive: Callable[..., Receiver], sns: Signer) -> None:
    """Without the setting, the sandbox's certificate host is as strange as any other."""
    refused(receive(certificate_host="", certificate_ca=None), sns.notification(), 403, "certificate")


@pytest.mark.parametrize(("who", "reason"), [("expired", "signature"), ("weak", "certificate")])
def test_unfit_certificates(
    receiver: Receiver, signers: dict[str, Signer], sns: Signer, who: str, reason: str
) -> None:
    """A certificate that has run out, or has a short key, proves nothing."""
    refused(receiver, signers[who].notification(), 403, reason)


def test_a_certificate_that_cannot_be_fetched_now(receiver: Receiver, sns: Signer) -> None:
    """When the certificate's host fails, SNS is asked to deliver again instead of losing the message."""
    broken = sns.url.replace("0.pem", "missing.pem")
    answer = receiver.post(sns.notification(url=broken))

    assert answer.status_code == 503
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b"not json", 400),
        pytest.param(b"[" * 100_000, 400, id="deeply nested"),
        (b'{"Type": "Other"}', 400),
        (b"\xff\xfe", 400),
    ],
)
def test_not_sns_at_all(receiver: Receiver, body: bytes, status: int) -> None:
    """Anything else is refused without being looked at further."""
    refused(receiver, body, status, "shape")


def test_replayed(receiver: Receiver, sns: Signer) -> None:
    """The same message again is answered 200, because SNS repeats itself, and changes nothing."""
    body = sns.notification()
    answers = [receiver.post(body) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["alarms"][0]["result"] for answer in answers] == ["stored", "repeated", "repeated"]
    assert len(receiver.rows()) == 1


def test_what_is_not_an_alarm_is_kept(receiver: Receiver, sns: Signer) -> None:
    """A signed text that is no alarm is kept, starts nothing, and says why."""
    answer = receiver.post(sns.notification("deployed release 17"))

    assert answer.status_code == 200
    (row,) = receiver.rows()
    assert (row.state, row.scenario) == ("ignored", None)
    assert "not a CloudWatchAlarm" in row.error


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "OK"}, "says ok"),
        ({"state": "INSUFFICIENT_DATA"}, "says unknown"),
        ({"name": "staging-x"}, "no route"),
        ({"account": "222222222222"}, "account is 222222222222"),
    ],
)
def test_what_starts_nothing_is_kept(
    receiver: Receiver, sns: Signer, changes: dict[str, Any], reason: str
) -> None:
    """An alarm that leads nowhere is stored as ignored with its reason."""
    receiver.post(sns.notification(metric_alarm(**changes)))

    (row,) = receiver.rows()
    assert row.state == "ignored"
    assert reason in row.error


def test_secrets_do_not_reach_the_ledger(receiver: Receiver, sns: Signer) -> None:
    """What the alarm's text gives away is taken out before it is stored."""
    token = "ghp_" + "a1B2" * 9
    receiver.post(sns.notification(metric_alarm(NewStateReason=f"deploy with {token} failed")))

    (row,) = receiver.rows()
    assert token not in json.dumps(row.body)
    assert "redacted" in row.body["summary"]
