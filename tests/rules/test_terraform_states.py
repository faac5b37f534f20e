"""Which of two Terraform states is pushed over the other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.terraform_states import PUSHED, Standing, StateVersion, judge_unsaved, read_state


def state(lineage: str = "a", serial: int = 2, content: str = "x") -> StateVersion:
    """A state."""
    return StateVersion(lineage=lineage, serial=serial, resources=3, content=content)


@pytest.mark.parametrize(
    ("unsaved", "saved", "standing"),
    [
        (state(serial=2), state(serial=1, content="old"), Standing.NEWER),
        (state(serial=2), None, Standing.ALONE),
        (state(serial=2), state(serial=3), Standing.SAVED),
        (state(serial=2), state(serial=2), Standing.SAVED),
        (state(serial=2), state(serial=2, content="another"), Standing.OVERTAKEN),
        (state(serial=2), state(serial=7, content="another"), Standing.OVERTAKEN),
        (state(serial=9), state("b", serial=1, content="another"), Standing.FOREIGN),
        (state(serial=1), state("b", serial=1), Standing.SAVED),
    ],
)
def test_a_state_is_judged_beside_the_saved_one(
    unsaved: StateVersion, saved: StateVersion | None, standing: Standing
) -> None:
    """Newer of the same line, or anything else; what was pushed has a higher serial and the same content."""
    assert judge_unsaved(unsaved, saved) is standing


@given(*[st.builds(state, st.sampled_from("ab"), st.integers(0, 5), st.sampled_from("xy"))] * 2)
def test_nothing_is_pushed_over_a_newer_or_a_foreign_state(
    unsaved: StateVersion, saved: StateVersion
) -> None:
    """Whatever the two are: only a higher serial of the same line is pushed."""
    if judge_unsaved(unsaved, saved) in PUSHED:
        assert unsaved.lineage == saved.lineage
        assert unsaved.serial > saved.serial


def test_a_state_file_is_read() -> None:
    """Lineage and serial say which it is; formatting and order of keys do not make it another."""
    body = {
        "version": 4,
        "lineage": "a",
        "serial": 3,
        "resources": [{"type": "x", "name": "y"}],
        "outputs": {},
    }
    other = {**body, "serial": 8, "resources": [{"name": "y", "type": "x"}]}

    one, two = read_state(json.dumps(body)), read_state(json.dumps(other, indent=4))

    assert (one.lineage, one.serial, one.resources) == ("a", 3, 1)
    assert one.content == two.content


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"lineage": "a"', '{"lineage": "", "serial": 1, "resources": []}',
             '{"lineage": "a", "serial": "1", "resources": []}', '{"lineage": "a", "serial": 1, "resources": {}}']
)  # fmt: skip
def test_anything_else_is_no_state(text: str) -> None:
    """Half a file, and what only looks like one."""
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error is one, with its own words
        read_state(text)
