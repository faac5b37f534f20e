"""Would a channel take a message? Looked at without sending one."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from blocks.aws_account import AwsAccount
from blocks.secret_reference import SecretReference
from rules.errors import BackstopError
from tasks.kinds import probe

PATIENCE_SECONDS = 3.0
_OWN_HOST = frozenset({"NotifyJSON", "NotifyXML", "NotifyForm"})
"""Kinds of channel whose address names the host; in others the same place holds a token."""
_CLOUD = ("notify_url", "webhook_url", "cloud_notify_url", "api_url")
"""Where Apprise keeps the address of a vendor."""


@probe(retries=0)
def channel_fault(channel: SecretReference, account: AwsAccount | None) -> str | None:
    """What is wrong with a channel: empty where its host answers, None where it has no host that could be asked.

    Its address is a secret: no text of a fault holds it. Permissions: secretsmanager:GetSecretValue, ssm:GetParameter
    """
    import apprise

    try:
        address = channel.read(account).get_secret_value()
    except BackstopError as error:
        return error.message
    service = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if service is None:
        return "does not hold an address that Apprise knows"
    host, port = _host(service)
    if not host:
        return None
    try:
        with socket.create_connection((host, port), PATIENCE_SECONDS):
            return ""
    except OSError as error:
        return f"does not answer ({type(error).__name__})"


def _host(service: object) -> tuple[str, int]:
    """The host and port that a channel's messages go to; empty where Apprise does not tell."""
    port, secure = getattr(service, "port", None), bool(getattr(service, "secure", False))
    if type(service).__name__ in _OWN_HOST:
        return str(getattr(service, "host", "")), int(port or (443 if secure else 80))
    if smtp := getattr(service, "smtp_host", ""):
        return str(smtp), int(port or 587)
    for name in _CLOUD:
        told = urlsplit(str(getattr(type(service), name, "") or ""))
        if told.scheme == "https" and told.hostname and "{" not in told.hostname:
            return told.hostname, told.port or 443
    return "", 0
