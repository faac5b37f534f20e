"""Is this really the sender? By its token, or by a signature made with it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping

from blocks.secret_reference import SecretReference
from flows._alarm_routes import Sender
from rules.errors import BackstopError
from webhooks.gate import Refusal

_NO_TOKEN = Refusal(
    401,
    "The token is missing or wrong.",
    hint="Send `Authorization: Bearer <token>`; the sender and its token are named in the routes file.",
    reason="token",
)
_NOT_SIGNED = Refusal(
    401,
    "The signature is missing or wrong.",
    hint="GitHub sends X-Hub-Signature-256 when its webhook has a secret: the one that the routes file names.",
    reason="signature",
)


async def proven(sender: Sender | None, headers: Mapping[str, str], body: bytes) -> Sender:
    """The sender, once it is proven.

    Raises:
        Refusal: 401, it is not; 503, its token cannot be read here.
    """
    token = await asyncio.to_thread(_token, sender.token) if sender else b"no such sender"
    if sender and sender.format == "github":
        if not _is_signed(token, headers.get("x-hub-signature-256", ""), body):
            raise _NOT_SIGNED
        return sender
    scheme, _, given = headers.get("authorization", "").partition(" ")
    # Compared even without a sender: the time it takes must not tell which names exist.
    same = hmac.compare_digest(given.encode() if scheme == "Bearer" else b"", token)
    if sender is None or not same:
        raise _NO_TOKEN
    return sender


def _is_signed(secret: bytes, signature: str, body: bytes) -> bool:
    # Not githubkit's `verify`: it takes SHA-1 too, fails on a header that is not ASCII, and costs 0.14 s and 9 MB.
    wanted = "sha256=" + hmac.digest(secret, body, "sha256").hex()
    return hmac.compare_digest(wanted.encode(), signature.encode())


def _token(reference: SecretReference) -> bytes:
    """The token as it is now, so that a new one needs no restart."""
    try:
        return reference.read().get_secret_value().encode()
    except BackstopError as error:
        raise Refusal(
            503,
            f"This sender's token cannot be read here: {error.message}",
            hint=error.hint,
            reason="token",
            retry_after=60,
        ) from error
