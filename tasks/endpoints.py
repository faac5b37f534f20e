"""Health endpoints: what the service says of itself to a caller with a key."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx

from blocks.environment import Environment
from blocks.health_endpoint import HealthEndpoint
from rules.errors import StepFailed
from rules.health import Look
from rules.outcomes import Verdict
from tasks.kinds import probe
from tasks.lambdas import function_url

_KEY_SECONDS = 30.0
"""How long a key and an address read from AWS serve: a watch looks every second or two."""

_MOST_BYTES = 65536

_kept: dict[tuple[str, ...], tuple[float, str]] = {}
_keeping = threading.Lock()


@probe(retries=0)
def ask_health(environment: Environment, name: str) -> Look:
    """Call one of the platform's health endpoints, with its key, and judge the answer.

    A bad answer is an observation, not an error: it is returned. The key never leaves this module.

    Permissions: secretsmanager:GetSecretValue, lambda:GetFunctionUrlConfig
    """
    endpoint = next(e for e in environment.service.health if e.name == name)
    status, look = _asked(environment, endpoint)
    if status in (401, 403) and _forget(environment, endpoint):
        status, look = _asked(environment, endpoint)  # the key was rotated since we read it
    if status in (401, 403):
        return Look(
            verdict=Verdict.FAIL, reason=f"answered {status}: it refuses the key kept in {endpoint.key}"
        )
    return look


def _asked(environment: Environment, endpoint: HealthEndpoint) -> tuple[int, Look]:
    try:
        address = _address(environment, endpoint)
        headers = {endpoint.header: _key(environment, endpoint)} if endpoint.key else {}
    except StepFailed as error:
        return 0, Look(verdict=Verdict.INCONCLUSIVE, reason=f"could not be asked: {error.message}")
    try:
        status, body = _get(address + endpoint.path, headers, endpoint.timeout_seconds)
    except httpx.TimeoutException:
        return 0, Look(verdict=Verdict.FAIL, reason=f"no answer within {endpoint.timeout_seconds:g} s")
    except httpx.HTTPError as error:
        # The message of some errors repeats the request's headers; the type says enough.
        return 0, Look(verdict=Verdict.FAIL, reason=f"no answer ({type(error).__name__})")
    return status, _judged(endpoint, status, body)


def _get(address: str, headers: dict[str, str], timeout_seconds: float) -> tuple[int, bytes]:
    limits = httpx.Timeout(timeout_seconds)
    with (
        httpx.Client(timeout=limits, follow_redirects=False, trust_env=False) as client,
        client.stream("GET", address, headers=headers) as answer,
    ):
        body = b""
        deadline = time.monotonic() + timeout_seconds
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > _MOST_BYTES or time.monotonic() > deadline:
                break
        return answer.status_code, body


def _judged(endpoint: HealthEndpoint, status: int, body: bytes) -> Look:
    told = _parsed(body)
    release = str(told.get(endpoint.release_field, "")) if endpoint.release_field else ""
    says = told.get(endpoint.status_field)
    if status != 200:
        return Look(verdict=Verdict.FAIL, reason=f"answered {status}", release=release)
    if says != endpoint.healthy:
        word = f"says {says!r:.60}" if says is not None else f"does not say its {endpoint.status_field}"
        return Look(verdict=Verdict.FAIL, reason=word, release=release)
    return Look(verdict=Verdict.PASS, reason=f"says {endpoint.healthy!r}", release=release)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _address(environment: Environment, endpoint: HealthEndpoint) -> str:
    if endpoint.url:
        return endpoint.url.rstrip("/")
    function = environment.lambda_platform.function(endpoint.function or "")
    return _recent(("url", environment.name, function.name), lambda: function_url(environment, function))


def _key(environment: Environment, endpoint: HealthEndpoint) -> str:
    reference = endpoint.key
    if reference is None:
        return ""
    return _recent(
        _key_name(environment, endpoint), lambda: reference.read(environment.account).get_secret_value()
    )


def _key_name(environment: Environment, endpoint: HealthEndpoint) -> tuple[str, ...]:
    return (
        "key",
        environment.name,
        str(environment.account and environment.aws.endpoint_url),
        str(endpoint.key),
    )


def _recent(name: tuple[str, ...], read: Any) -> str:
    with _keeping:
        until, value = _kept.get(name, (0.0, ""))
    if time.monotonic() < until:
        return value
    value = str(read())
    with _keeping:
        _kept[name] = (time.monotonic() + _KEY_SECONDS, value)
    return value


def _forget(environment: Environment, endpoint: HealthEndpoint) -> bool:
    """Read the key anew next time; true when it was read some time ago."""
    with _keeping:
        until, _ = _kept.pop(_key_name(environment, endpoint), (0.0, ""))
    return 0 < until < time.monotonic() + _KEY_SECONDS - 1
