"""The base of every value that crosses a boundary."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value; an unknown key is an error, because Prefect would accept it silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")
