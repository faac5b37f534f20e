"""Where moto's IAM differs from AWS in ways that matter to an exposed key, put right: a dead key opens nothing.

moto takes every key for good. Here STS refuses one that is inactive or deleted, a moment after it became so.
"""

from __future__ import annotations

import time
from typing import Any

SPREADING_SECONDS = 0.5
"""So long after a change servers answer as before, by turns."""

_changed: dict[str, float] = {}
_deleted: set[str] = set()


def install() -> None:
    """Correct moto in this process."""
    from moto.iam import models
    from moto.sts import responses

    backend: Any = models.IAMBackend
    answers: Any = responses.TokenResponse
    update, delete, identity = (
        backend.update_access_key,
        backend.delete_access_key,
        answers.get_caller_identity,
    )

    def update_access_key(self: Any, user_name: str, access_key_id: str, status: str | None = None) -> Any:
        _changed[access_key_id] = time.monotonic()
        return update(self, user_name, access_key_id, status)

    def delete_access_key(self: Any, access_key_id: str, user_name: str) -> None:
        _deleted.add(access_key_id)
        delete(self, access_key_id, user_name)

    def get_caller_identity(self: Any) -> Any:
        if _is_dead(models.iam_backends, self.get_access_key()):
            from moto.sts.exceptions import STSClientError

            raise STSClientError(
                "InvalidClientTokenId", "The security token included in the request is invalid."
            )
        return identity(self)

    backend.update_access_key, backend.delete_access_key = update_access_key, delete_access_key
    answers.get_caller_identity = get_caller_identity


def _is_dead(backends: Any, key_id: str) -> bool:
    users = [user for account in backends.values() for user in account["aws"].users.values()]
    states = {key.access_key_id: key.status for user in users for key in user.access_keys}
    if key_id in states:
        return (
            states[key_id] == "Inactive" and time.monotonic() - _changed.get(key_id, 0.0) > SPREADING_SECONDS
        )
    return key_id in _deleted
