"""Imports: by what each type is found, and blocks in which nothing is evaluated."""

from __future__ import annotations

import pytest

from rules.terraform_imports import IMPORTED_BY, Import, as_blocks, as_import_changes, created, own_name
from rules.terraform_plans import UNKNOWN, ResourceChange


def creation(kind: str, **values: str) -> ResourceChange:
    """A resource that a plan would create."""
    attributes = {name: ("", value) for name, value in values.items()}
    return ResourceChange(address=f"{kind}.it", type=kind, actions=("create",), attributes=attributes)


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        (creation("aws_lambda_function", function_name="prod-x"), "prod-x"),
        (creation("aws_lambda_alias", function_name="prod-x", name="live"), "prod-x/live"),
        (creation("aws_lambda_function_url", function_name="prod-x", qualifier="live"), "prod-x/live"),
        (creation("aws_dynamodb_table", name="items"), "items"),
        (creation("aws_s3_bucket", bucket="b"), "b"),
        (creation("aws_s3_bucket", bucket=UNKNOWN), ""),
        (creation("aws_lambda_alias", name="live"), ""),
        (creation("aws_vpc", name="v"), ""),
    ],
)
def test_a_resource_is_named_as_its_type_is(resource: ResourceChange, name: str) -> None:
    """What is not known before the apply, or of an unknown type, is not guessed."""
    assert own_name(resource) == name


def test_every_type_that_is_named_can_be_looked_for() -> None:
    """The rule and the probe know the same types."""
    from tasks.existing_resources import _FIND

    assert set(IMPORTED_BY) == set(_FIND)


def test_blocks_are_stable_and_evaluate_nothing() -> None:
    """In the order of addresses, whatever order they came in; quotes and templates are text."""
    imports = [Import(address='a.b["x"]', id='q"${var.y}%{if}'), Import(address="a.a", id="plain")]

    text = as_blocks(imports)

    assert text == as_blocks(reversed(imports))
    assert text.index("a.a") < text.index('a.b["x"]')
    assert 'id = "q\\"$${var.y}%%{if}"' in text
    assert as_blocks([]) == ""
    assert [change.subject for change in as_import_changes(imports)] == ["a.a", 'a.b["x"]']


def test_only_plain_creations_can_exist_already() -> None:
    """A replacement's successor does not exist, and a deletion needs no import."""
    plain, replaced = creation("aws_s3_bucket", bucket="b"), creation("aws_s3_bucket", bucket="c")
    replaced = replaced.model_copy(update={"actions": ("delete", "create")})

    assert created([plain, replaced]) == (plain,)
