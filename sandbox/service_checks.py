"""The canary: asks every function of an environment whether it is healthy, as its callers would."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sandbox.organs import organ_client
from sandbox.places import ALIAS, Home, Place

KEY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """One answer."""

    status: int
    """HTTP status, or 0 when there was no answer."""
    told: dict[str, Any]

    @property
    def healthy(self) -> bool:
        """Whether the function says that it can do its work."""
        return self.status == 200 and self.told.get("status") == "healthy"

    @property
    def release(self) -> str:
        """The release that answered; empty when it did not say."""
        return str(self.told.get("release", ""))


class Canary:
    """Checks one environment's functions: the dashboard through its URL, the others by invoking them."""

    def __init__(self, home: Home, place: Place) -> None:
        self._addresses, self._place = home.addresses(), place
        self._key = ("", 0.0)
        self._pool = ThreadPoolExecutor(max_workers=3)

    def failed_checks(self) -> dict[str, float]:
        """1 for each function that is not healthy, 0 for each that is."""
        return {name: 0.0 if health.healthy else 1.0 for name, health in self.healths().items()}

    def healths(self) -> dict[str, Health]:
        """What each function says, by function name."""
        names = list(self._place.functions.values())
        return dict(zip(names, self._pool.map(self.health, names), strict=True))

    def health(self, function: str) -> Health:
        """What one function says."""
        if function == self._place.function("dashboard"):
            headers = {"X-API-Key": self._api_key()}
            url = f"{self._addresses.function_url(function)}health"
            return _ask(urllib.request.Request(url, headers=headers))  # noqa: S310 - this machine
        url = f"http://127.0.0.1:{self._addresses.invocations}/{function}?qualifier=$LATEST"
        answer = _ask(urllib.request.Request(url, data=b'{"action": "health"}'))  # noqa: S310 - this machine
        if answer.status == 200 and not answer.told.get("error"):
            return Health(200, answer.told["answer"] if isinstance(answer.told.get("answer"), dict) else {})
        return Health(answer.status if answer.status != 200 else 502, {})

    def _api_key(self) -> str:
        """The key, read again every few seconds so that a rotation is followed."""
        from botocore.exceptions import ClientError

        key, read_at = self._key
        if time.monotonic() - read_at > KEY_SECONDS or not key:
            client = organ_client("secretsmanager", self._addresses.aws_url)
            try:
                key = client.get_secret_value(SecretId=self._place.secret, VersionStage="AWSCURRENT")[
                    "SecretString"
                ]
            except ClientError:
                key = ""
            self._key = (key, time.monotonic())
        return key


def dashboard_alias_version(home: Home, place: Place) -> str:
    """The version the dashboard's callers get."""
    client = organ_client("lambda", home.addresses().aws_url)
    return str(client.get_alias(FunctionName=place.function("dashboard"), Name=ALIAS)["FunctionVersion"])


def _ask(request: urllib.request.Request) -> Health:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - this machine
            return Health(answer.status, _object(answer.read()))
    except urllib.error.HTTPError as error:
        with error:
            return Health(error.code, _object(error.read()))
    except OSError:
        return Health(0, {})


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
