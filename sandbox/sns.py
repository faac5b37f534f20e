"""Amazon SNS as a webhook sees it: signed messages, posted again until the receiver says 2xx."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from sandbox.places import Home

SignatureVersion = Literal["1", "2"]
"""1 signs with SHA-1, 2 with SHA-256."""

Message = dict[str, str]

_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
    "UnsubscribeConfirmation": (
        "Message",
        "MessageId",
        "SubscribeURL",
        "Timestamp",
        "Token",
        "TopicArn",
        "Type",
    ),
}
PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts; the last one repeats."""


def canonical(message: Mapping[str, str]) -> bytes:
    """The bytes that are signed: names and values, each on a line, in the order AWS prescribes."""
    names = _SIGNED[message["Type"]]
    return "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()


def sign(
    message: Mapping[str, str], key: RSAPrivateKey, *, certificate_url: str, version: SignatureVersion = "2"
) -> Message:
    """The message with its signature."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - version 1 is SHA-1
    signature = base64.b64encode(key.sign(canonical(message), padding.PKCS1v15(), algorithm)).decode()
    return {**message, "SignatureVersion": version, "Signature": signature, "SigningCertURL": certificate_url}


def load_key(path: Path) -> RSAPrivateKey:
    """The private key in a PEM file."""
    return _key(path.read_bytes())


@cache
def _key(pem: bytes) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError("SNS signs with RSA keys")
    return key


def notification(topic: str, text: str, *, subject: str = "", at: datetime | None = None) -> Message:
    """An unsigned notification."""
    named = {"Subject": subject} if subject else {}
    stamp = _stamp(at)
    return {"Type": "Notification", "MessageId": str(uuid.uuid4()), "TopicArn": topic, **named,
            "Message": text, "Timestamp": stamp}  # fmt: skip


def subscription_confirmation(topic: str, *, confirm_at: str) -> Message:
    """An unsigned request to confirm a subscription. `confirm_at`: scheme and host of the link in it."""
    token = uuid.uuid4().hex * 4
    query = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token})
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": str(uuid.uuid4()),
        "Token": token,
        "TopicArn": topic,
        "Message": f"You have chosen to subscribe to the topic {topic}. Visit the SubscribeURL to confirm.",
        "SubscribeURL": f"{confirm_at}/?{query}",
        "Timestamp": _stamp(None),
    }


def post(url: str, message: Mapping[str, str], *, timeout: float = 15.0) -> int:
    """Send a message once; the HTTP status, or 0 when there was no answer within `timeout` seconds."""
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": message["Type"],
        "x-amz-sns-message-id": message["MessageId"],
        "x-amz-sns-topic-arn": message["TopicArn"],
    }
    request = urllib.request.Request(url, data=json.dumps(message).encode(), headers=headers)  # noqa: S310 - http and https only, checked below
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError("a webhook is an http or https address")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - checked above
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def deliver(
    url: str,
    message: Mapping[str, str],
    *,
    give_up_after: float = 60.0,
    log: Path | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> bool:
    """Send a message until the receiver says 2xx, at most `give_up_after` seconds and while it is `wanted`.

    Say whether it arrived.
    """
    deadline, attempt = time.monotonic() + give_up_after, 0
    while True:
        status = post(url, message)
        _note(log, message, url, status)
        if 200 <= status < 300:
            return True
        pause = PAUSES[min(attempt, len(PAUSES) - 1)]
        attempt += 1
        if time.monotonic() + pause > deadline or not wanted():
            return False
        time.sleep(pause)


def publish(
    home: Home, topic: str, text: str, *, subject: str = "", version: SignatureVersion = "2", url: str = ""
) -> bool:
    """Sign a text as the sandbox's SNS and deliver it to the webhook. Say whether it arrived."""
    return _deliver_signed(home, notification(topic, text, subject=subject), version, url)


def subscribe(home: Home, topic: str, *, version: SignatureVersion = "2", url: str = "") -> bool:
    """Ask the webhook to confirm a subscription. Say whether it took the request."""
    where = urlsplit(home.addresses().certificate_url)
    message = subscription_confirmation(topic, confirm_at=f"{where.scheme}://{where.netloc}")
    return _deliver_signed(home, message, version, url)


def _deliver_signed(home: Home, message: Message, version: SignatureVersion, url: str) -> bool:
    target = url or webhook(home)
    if not target:
        return False
    certificate = home.addresses().certificate_url
    signed = sign(message, load_key(home.signing_key), certificate_url=certificate, version=version)
    if url:
        return deliver(url, signed, log=home.deliveries)
    # As SNS does it: for an hour, unless the subscription is gone.
    return deliver(
        target, signed, give_up_after=3600.0, log=home.deliveries, wanted=lambda: webhook(home) == target
    )


def webhook(home: Home) -> str:
    """Where notifications go now; empty: nobody has subscribed."""
    try:
        return home.webhook.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _note(log: Path | None, message: Mapping[str, str], url: str, status: int) -> None:
    if log is None:
        return
    entry: dict[str, Any] = {
        "at": time.time(),
        "id": message["MessageId"],
        "type": message["Type"],
        "url": url,
    }
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry | {"status": status, "subject": message.get("Subject", "")}) + "\n")


def _stamp(at: datetime | None) -> str:
    return (at or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
