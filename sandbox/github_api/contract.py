"""Holds requests and answers against GitHub's own description of its API, where somebody asks for it.

The stand-in serves without it: the library that checks is installed for tests only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_API = "https://api.github.com"


class Contract:
    """GitHub's OpenAPI description, or the part of it that is used."""

    def __init__(self, description: Path) -> None:
        from openapi_core import OpenAPI

        self._api: Any = OpenAPI.from_dict(json.loads(description.read_text(encoding="utf-8")))

    def fault_of_request(self, method: str, path: str, query: dict[str, str], body: bytes) -> str:
        """What does not fit GitHub's description; empty: nothing."""
        return self._told(lambda: self._api.validate_request(_asked(method, path, query, body)))

    def fault_of_answer(
        self, method: str, path: str, query: dict[str, str], status: int, kind: str, body: bytes
    ) -> str:
        """What does not fit GitHub's description of an answer; empty: nothing."""
        from openapi_core.testing import MockResponse

        answer = MockResponse(body, status_code=status, content_type=kind.partition(";")[0])
        asked = _asked(method, path, query, b"")
        return self._told(lambda: self._api.validate_response(asked, answer))

    @staticmethod
    def _told(check: Any) -> str:
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever does not fit is told, in the words of the library
            cause = error.__cause__ or error
            details = [f"{list(e.path)}: {e.message[:160]}" for e in getattr(cause, "schema_errors", ())]
            return f"{type(cause).__name__}: {'; '.join(details[:3]) or cause}"
        return ""


def _asked(method: str, path: str, query: dict[str, str], body: bytes) -> Any:
    from openapi_core.testing import MockRequest

    return MockRequest(
        _API, method.lower(), path, args=query, data=body or None, content_type="application/json"
    )
