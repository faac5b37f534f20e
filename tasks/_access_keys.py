"""Access keys as IAM lists them, and calls with one: the only place where ids and secrets of keys are handled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.exposed_secrets import Answer, KeyFacts, key_reference
from tasks._scan_files import values_in

_SECRETS = ("aws-secret-key", "access-key", "secret-key", "secret")
_LENGTH = 40
_STAND_IN = "backstop/asks/whether/this/key/lives/00"
"""AWS looks at the id first: with a wrong secret, a live key's signature is refused, a dead key itself."""


def keys_and_ids(environment: Environment, user: str) -> list[tuple[KeyFacts, str]]:
    """A user's keys with their ids; none where there is no such user."""
    client = environment.aws.client("iam")
    try:
        with translated(f"list the access keys of {user}"):
            listed = client.list_access_keys(UserName=user)["AccessKeyMetadata"]
            return [(_facts(client, each), each["AccessKeyId"]) for each in listed]
    except NotThere:
        return []


def _facts(client: Any, told: dict[str, Any]) -> KeyFacts:
    used = client.get_access_key_last_used(AccessKeyId=told["AccessKeyId"])["AccessKeyLastUsed"]
    return KeyFacts(
        reference=key_reference(told["AccessKeyId"]),
        active=told["Status"] == "Active",
        was_used=bool(used.get("LastUsedDate")) and used.get("ServiceName", "N/A") != "N/A",
    )


def client_with(environment: Environment, key_id: str, secret: str) -> Any:
    """An STS client that calls as that key, each call once."""
    from botocore.config import Config
    from botocore.session import Session

    account = environment.aws
    return Session().create_client(
        "sts",
        region_name=account.region,
        endpoint_url=account.endpoint_url,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=10),
    )


def ask(client: Any) -> Answer:
    """What AWS says to one call."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client.get_caller_identity()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in {"InvalidClientTokenId", "UnrecognizedClientException"}:
            return Answer.REFUSED
        # A wrong signature means that the key itself was known and active.
        return Answer.ACCEPTED if code in {"SignatureDoesNotMatch", "AccessDenied"} else Answer.UNCLEAR
    except BotoCoreError:
        return Answer.UNCLEAR
    return Answer.ACCEPTED


def secret_beside(folder: Path, key_id: str) -> str:
    """The secret key that stands nearest to an id in the artifacts, or a stand-in."""
    if not folder.is_dir():
        return _STAND_IN
    best: tuple[int, bytes] = (1 << 62, _STAND_IN.encode())
    for places in values_in(folder, "aws-key-id", *_SECRETS):
        ids = [at for kind, at, value in places if value == key_id.encode()]
        secrets = [(at, value) for kind, at, value in places if kind in _SECRETS and len(value) == _LENGTH]
        best = min([best, *((abs(at - mine), value) for at, value in secrets for mine in ids)])
    return best[1].decode()
