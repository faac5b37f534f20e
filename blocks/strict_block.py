"""The base of every block: an unknown key is an error, because Prefect would keep it silently."""

from __future__ import annotations

import copy
import difflib
import functools
from contextvars import ContextVar
from typing import Any

from prefect.blocks.core import Block
from pydantic import ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

_PREFECT_KEYS = frozenset({"block_type_slug", "_block_document_id", "_block_document_name", "_is_anonymous"})
"""What Prefect itself puts beside a block's own fields when it stores or loads one."""

_whole: ContextVar[bool] = ContextVar("whole", default=False)
"""Whether the JSON schema of a block itself is being made, with all that it holds."""


@functools.cache
def _schema_of(
    block: type[Block], args: tuple[Any, ...], kwargs: tuple[tuple[str, Any], ...]
) -> dict[str, Any]:
    make = getattr(Block.model_json_schema, "__func__")  # noqa: B009 - mypy knows no __func__ of it
    before = _whole.set(True)
    try:
        made: dict[str, Any] = make(block, *args, **dict(kwargs))
    finally:
        _whole.reset(before)
    return made


class StrictBlock(Block):
    """A block that holds settings, never acts, and refuses misspelt keys."""

    model_config = ConfigDict(extra="ignore")

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The class's JSON schema. Prefect asks for it hundreds of times, and it takes a tenth of a second to make."""
        return copy.deepcopy(_schema_of(cls, args, tuple(sorted(kwargs.items()))))

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The block's part of a form: enough for a picker of saved blocks, which is all that a form makes of it.

        With all that a block holds, each deployment carries 34 kB more, which the server checks at every write and at
        every run, and which Prefect makes anew for each flow at import. What a caller writes out in a picked block's
        place must still have its required keys here; the flow's own types check the rest.
        """
        if _whole.get():
            return handler(core)
        required = [name for name, field in cls.model_fields.items() if field.is_required()]
        return {
            "title": cls.__name__,
            "type": "object",
            "description": cls.get_description(),
            "block_type_slug": cls.get_block_type_slug(),
            "required": required,
        }

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = set(cls.model_fields)
        for key in data:
            if key not in known and key not in _PREFECT_KEYS:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f" Did you mean `{near[0]}`?" if near else f" Known keys: {', '.join(sorted(known))}."
                raise ValueError(f"unknown key `{key}` in {cls.__name__}.{hint}")
        return data
