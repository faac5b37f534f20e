"""The base of every value that crosses a boundary."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value; an unknown key is an error, because Prefect would accept it silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Refuse a field that would make `dict(value)`, which Prefect takes of every result, call it."""
        if "keys" in cls.model_fields:
            raise TypeError(f"{cls.__name__} may not have a field `keys`: Prefect could not return it")
