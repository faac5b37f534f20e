"""The form of every deployment: each field has a title and says what it is for, and may stay empty where it says so."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any
from uuid import uuid4

import pytest
from prefect import flow
from prefect.utilities.schema_tools.validation import is_valid
from pydantic import Field

from blocks.environment import Environment
from deployments.forms import form
from deployments.prefect_yaml import FILE, read_prefect_yaml
from deployments.run_process import load

DEPLOYED = {entry.name: entry.entrypoint for entry in read_prefect_yaml(FILE).deployments}
RECOVERIES = [name for name, entry in DEPLOYED.items() if entry.endswith(".recover")]


@cache
def form_of(name: str) -> dict[str, Any]:
    """A deployment's form."""
    return form(load(DEPLOYED[name]))


@pytest.mark.parametrize("name", DEPLOYED)
def test_every_field_says_what_it_is_for(name: str) -> None:
    """Nobody has to guess at 3 a.m.: each field has a title and a sentence."""
    for field, shown in form_of(name)["properties"].items():
        assert shown["title"][:1].isupper(), field
        assert shown["description"].strip().endswith("."), field


@pytest.mark.parametrize("name", DEPLOYED)
def test_no_two_fields_are_called_the_same(name: str) -> None:
    """What belongs into one field is not typed into another: those of who asks stand in the same form."""
    schema = form_of(name)
    asked = schema.get("definitions", {}).get("Request", {}).get("properties", {})
    titles = [shown["title"] for shown in (*schema["properties"].values(), *asked.values())]

    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("name", RECOVERIES)
def test_the_fields_stand_in_the_same_order(name: str) -> None:
    """Where first, then what the scenario asks for, then Rehearse, then who asks: the same in every form."""
    shown = form_of(name)["properties"]
    order = sorted(shown, key=lambda field: shown[field]["position"])

    assert (order[0], order[-2:]) == ("environment", ["rehearse", "request"])


@flow
def sample(
    run: Annotated[int, Field(gt=0)] | None = None, names: list[str] | None = None, times: int | None = 3
) -> None:
    """Does nothing.

    Args:
        run: Its number.
        names: Anything.
        times: How often.
    """


def test_what_may_stay_empty_is_one_plain_field() -> None:
    """`int | None` is a field for a number, not a choice between `int` and `None`; its limits are kept."""
    shown: dict[str, Any] = form(sample)["properties"]

    assert shown["run"] == {
        "title": "Run",
        "description": "Its number.",
        "position": 0,
        "type": "integer",
        "exclusiveMinimum": 0,
    }
    assert (shown["names"]["type"], shown["names"]["items"]) == ("array", {"type": "string"})
    assert "anyOf" in shown["times"]  # left empty, it would be 3


def test_a_form_carries_of_an_environment_what_its_picker_needs() -> None:
    """Each write and each run of a deployment has its form checked: a block in it is small, and whole by itself."""
    defined = form_of("canary-failure")["definitions"]

    assert set(defined) == {"Environment", "Request"}
    assert defined["Environment"] == {
        "title": "Environment",
        "type": "object",
        "description": Environment.get_description(),
        "block_type_slug": "environment",
        "required": ["name", "tier", "platform"],
    }
    assert "AwsAccount" in Environment.model_json_schema()["definitions"]


def test_a_picked_environment_is_taken_and_half_of_one_is_not() -> None:
    """The server's own check of a run takes a saved block by its id, and one written out if nothing required misses."""
    schema = form_of("canary-failure")
    written = {"name": "prod", "tier": "production", "platform": {"kind": "lambda"}}

    assert is_valid({"environment": {"$ref": str(uuid4())}}, schema)
    assert is_valid({"environment": written}, schema)
    assert not is_valid({"environment": {"name": "prod"}}, schema)
    assert not is_valid({"environment": "prod"}, schema)
