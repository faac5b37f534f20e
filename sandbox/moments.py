"""Keeping everything the sandbox's AWS holds at one moment, and going back to it in a fraction of a second.

Runs inside the AWS process. Tests begin again from a deployed service without deploying it again.
"""

from __future__ import annotations

import copy
import threading
from typing import Any

from sandbox import aws_queues

SERVICES = ("lambda", "s3", "dynamodb", "cloudwatch", "secretsmanager", "sns", "sqs", "iam", "logs")
PATH = "/sandbox-moments/"

_kept: dict[str, dict[tuple[str, str, str], dict[str, Any]]] = {}
_one = threading.Lock()


def keep(name: str) -> None:
    """Remember the present under a name."""
    with _one:
        _kept[name] = {key: _copied(vars(backend)) for key, backend in _backends().items()}


def go_back(name: str) -> bool:
    """Make the present what it was; False when no such moment was kept."""
    with _one:
        if name not in _kept:
            return False
        for key, backend in _backends().items():
            then = _kept[name].get(key)
            if then is not None:
                sessions = _sessions(backend)
                vars(backend).clear()
                vars(backend).update(_copied(then))
                vars(backend).get("access_keys", {}).update(sessions)
        return True


def _sessions(backend: Any) -> dict[str, Any]:
    """The keys of assumed roles: who has one goes on, as on AWS, whatever becomes of what it acts on."""
    keys = vars(backend).get("access_keys", {})
    return {name: key for name, key in keys.items() if name.startswith("ASIA")}


def _backends_of(service: str) -> Any:
    from moto import backends

    get: Any = backends.get_backend
    return get(service)


def _backends() -> dict[tuple[str, str, str], Any]:
    """Every backend of ours by service, account and region."""
    found = {}
    for service in SERVICES:
        for account, regions in _backends_of(service).items():
            for region, backend in regions.items():
                found[service, account, region] = backend
    return found


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    """A deep copy that refers to the same backends and makes locks anew."""
    memo: dict[int, Any] = {}
    for service in (*SERVICES, "kms", "events", "kinesis"):
        whole = _backends_of(service)
        memo[id(whole)] = whole
        for regions in whole.values():
            memo[id(regions)] = regions
            memo |= {id(backend): backend for backend in regions.values()}
    return copy.deepcopy(state, memo)


def _new_lock(_: Any, __: dict[int, Any]) -> Any:
    return threading.Lock()


def _new_rlock(_: Any, __: dict[int, Any]) -> Any:
    return threading.RLock()


copy._deepcopy_dispatch[threading.Condition] = aws_queues.new_condition  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
copy._deepcopy_dispatch[type(threading.Lock())] = _new_lock  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
copy._deepcopy_dispatch[type(threading.RLock())] = _new_rlock  # type: ignore[attr-defined]  # noqa: SLF001 - no public way
