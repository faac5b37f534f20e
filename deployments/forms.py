"""The form of a deployment: its flow's parameters as a JSON schema that reads well at 3 a.m."""

from __future__ import annotations

import typing
from typing import Any

from prefect import Flow
from prefect.utilities.callables import parameter_schema
from pydantic.fields import FieldInfo


def form(flow: Flow[..., Any]) -> dict[str, Any]:
    """The flow's parameter schema with the titles and descriptions of its annotations.

    Prefect itself takes the parameter's name for a title, and descriptions from the docstring only.
    """
    schema: dict[str, Any] = parameter_schema(flow).model_dump_for_openapi()
    hints = typing.get_type_hints(flow.fn, include_extras=True)
    for name, shown in schema.get("properties", {}).items():
        said = next(
            (one for one in getattr(hints.get(name), "__metadata__", ()) if isinstance(one, FieldInfo)), None
        )
        shown["title"] = (said and said.title) or name.replace("_", " ").capitalize()
        if said and said.description:
            shown["description"] = said.description
    return schema
