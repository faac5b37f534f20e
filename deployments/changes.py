"""What applying did, one line a thing."""

from __future__ import annotations

from enum import StrEnum

from rules.values import Frozen


class Kind(StrEnum):
    """What happened to one thing on the server."""

    CREATED = "created"
    UPDATED = "updated"
    REMOVED = "removed"
    UNCHANGED = "unchanged"


class Applied(Frozen):
    """One thing on the server and what happened to it; `detail` says what differed."""

    kind: Kind
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind:<9}  {self.what}" + (f"  ({self.detail})" if self.detail else "")
