"""The form of a deployment: its flow's parameters as a JSON schema that reads well at 3 a.m."""

from __future__ import annotations

import copy
import typing
from typing import Any

from prefect import Flow
from pydantic.fields import FieldInfo


def form(flow: Flow[..., Any]) -> dict[str, Any]:
    """The flow's parameter schema with the titles and descriptions of its annotations.

    Prefect itself takes the parameter's name for a title, and descriptions from the docstring only.
    """
    schema: dict[str, Any] = copy.deepcopy(flow.parameters.model_dump_for_openapi())
    hints = typing.get_type_hints(flow.fn, include_extras=True)
    for name, shown in schema.get("properties", {}).items():
        said = next(
            (one for one in getattr(hints.get(name), "__metadata__", ()) if isinstance(one, FieldInfo)), None
        )
        shown["title"] = (said and said.title) or name.replace("_", " ").capitalize()
        if said and said.description:
            shown["description"] = said.description
        _say_plainly(shown)
    return schema


def _say_plainly(shown: dict[str, Any]) -> None:
    """Make `int | None` a field for a number that may stay empty.

    The form would else ask to choose between `int` and `None` first. The server takes null for what is not required.
    """
    kinds = [kind for kind in shown.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1 and shown.get("default") is None:
        del shown["anyOf"]
        shown.pop("default", None)
        for key, value in kinds[0].items():
            shown.setdefault(key, value)
