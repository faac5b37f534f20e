"""Is this really from SNS, for us, and fresh? Asked in the order of what it costs us.

    shape → topic allowed → timestamp within the window → signature version → certificate's address →
    certificate's validity → signature
Whether it is a replay is the ledger's to say: (source, message id) is unique there.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rules.alarms import first_fault
from webhooks.certificates import CertificateStore
from webhooks.gate import Refusal

_AHEAD = timedelta(minutes=5)
"""How far a sender's clock may run ahead of ours."""
_PADDING = padding.PKCS1v15()
_HASHES = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - version 1 is SNS's own; settings can refuse it

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
}
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]

Plain = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=2048)]
"""One line: a line break inside a field could be read as the next one in the signed text."""


class SnsMessage(BaseModel):
    """The envelope. `Message` is whatever was published: not to be read before `verify` has passed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    Type: Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
    MessageId: str = Field(pattern=r"^[A-Za-z0-9-]{1,100}$")
    TopicArn: Plain
    Message: str
    Timestamp: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")
    SignatureVersion: str = Field(max_length=8)
    Signature: str = Field(max_length=2048)
    SigningCertURL: Plain
    Subject: Plain | None = None
    Token: Plain | None = None
    SubscribeURL: Plain | None = None

    @property
    def region(self) -> str:
        """The topic's region."""
        return self.TopicArn.split(":")[3]

    @property
    def sent_at(self) -> datetime:
        """When it was published."""
        return datetime.fromisoformat(self.Timestamp)


def read_envelope(body: bytes) -> SnsMessage:
    """Read the envelope only.

    Raises:
        Refusal: it is not one of SNS's three kinds.
    """
    try:
        return SnsMessage.model_validate_json(body)
    except ValidationError as error:
        raise Refusal(
            400,
            f"Not an SNS message. {first_fault(error)}.",
            hint="Subscribe this address to the topic over HTTPS, with raw message delivery off.",
            reason="shape",
        ) from None


def signed_text(message: SnsMessage) -> bytes:
    """The text that SNS signs: names and values in a fixed order, a Subject only if there is one."""
    told = message.__dict__
    lines = []
    for name in _SIGNED[message.Type]:
        value = told[name]
        if value is not None:
            lines.append(f"{name}\n{value}\n")
    return "".join(lines).encode()


class SnsVerifier:
    """Verifies envelopes. Without topics it refuses everything: a forgotten list must not be an open door."""

    def __init__(
        self,
        *,
        topics: Collection[str],
        certificates: CertificateStore,
        window: timedelta,
        require_version_2: bool = False,
    ) -> None:
        self._topics = frozenset(topics)
        self._certificates = certificates
        self._window = window
        self._require_version_2 = require_version_2

    async def verify(self, body: bytes, now: datetime) -> SnsMessage:
        """Read an envelope and prove that SNS signed it for a topic of ours, a moment ago.

        Raises:
            Refusal: it is not so; says what is wrong. 503 when the certificate cannot be had just now.
        """
        message = read_envelope(body)
        self._check_topic(message)
        self._check_time(message, now)
        algorithm = self._algorithm(message)
        url = message.SigningCertURL
        key = self._certificates.kept(url, message.region) or await self._certificates.get(
            url, message.region
        )
        if not key.not_before <= now <= key.not_after:
            raise _forged("the signing certificate is not valid now")
        try:
            signature = base64.b64decode(message.Signature, validate=True)
            key.key.verify(signature, signed_text(message), _PADDING, algorithm)
        except (InvalidSignature, binascii.Error, ValueError):
            raise _forged("the signature does not fit the message") from None
        if message.Type != "Notification":
            address = (message.SubscribeURL or "").partition("?")[0]
            if not self._certificates.is_allowed(address, message.region):
                raise _forged("the subscription's address is not one of SNS's")
        return message

    def _check_topic(self, message: SnsMessage) -> None:
        if message.TopicArn in self._topics:
            return
        error = "This topic is not allowed here." if self._topics else "No topic is allowed here yet."
        raise Refusal(403, error, hint="Add its ARN under `topics` in the routes file.", reason="topic")

    def _check_time(self, message: SnsMessage, now: datetime) -> None:
        try:
            age = now - message.sent_at
        except ValueError:
            raise Refusal(400, "Timestamp is not a time.", hint="Nothing was read.", reason="shape") from None
        if not -_AHEAD <= age <= self._window:
            limit = self._window.total_seconds()
            raise Refusal(
                403,
                f"The message is {age.total_seconds():.0f} s old; {limit:.0f} s are allowed.",
                hint="Check the clock of this host. SNS itself gives up after an hour.",
                reason="old",
            )

    def _algorithm(self, message: SnsMessage) -> hashes.HashAlgorithm:
        version = message.SignatureVersion
        if version == "1" and self._require_version_2:
            raise Refusal(
                403,
                "The message is signed with SHA-1 (version 1); version 2 is required here.",
                hint="Set the topic's attribute SignatureVersion to 2.",
                reason="version",
            )
        if version not in _HASHES:
            raise Refusal(
                403, "The signature's version is not known.", hint="Known are 1 and 2.", reason="version"
            )
        return _HASHES[version]


def _forged(why: str) -> Refusal:
    return Refusal(403, f"Not accepted: {why}.", hint="Nothing was read or stored.", reason="signature")
