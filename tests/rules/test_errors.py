"""The errors: the tree in the docstring is the tree of the classes."""

from __future__ import annotations

import inspect
import re

import pytest

from rules import errors
from rules.errors import BackstopError, RecoveryRefused, StepFailed, TransientFailure

CLASSES = [
    each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__
]


def drawn() -> dict[str, str]:
    """Each error of the docstring's tree with its parent."""
    parents, path = {}, list[str]()
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([│ ]*[├└]── |(?=BackstopError))([A-Z][A-Za-z]+)", line)
        if not found:
            continue
        depth = len(found[1]) // 4
        path = [*path[:depth], found[2]]
        parents[found[2]] = path[-2] if depth else "Exception"
    return parents


def test_the_tree_that_is_drawn_is_the_tree() -> None:
    """Every error is drawn under the one it derives from, and nothing else is drawn."""
    assert drawn() == {each.__name__: each.__base__.__name__ for each in CLASSES if each.__base__}


@pytest.mark.parametrize("each", CLASSES)
def test_every_error_says_when_and_what_next(each: type[BackstopError]) -> None:
    """Each class says when it is raised; each error carries a message and a hint, and shows both."""
    assert each.__doc__
    error = each("the ledger is gone", hint="bring it back")

    assert (error.message, error.hint) == ("the ledger is gone", "bring it back")
    assert str(error) == "the ledger is gone Hint: bring it back"
    assert str(each("the ledger is gone")) == "the ledger is gone"


@pytest.mark.parametrize("each", CLASSES)
def test_no_error_tells_a_secret(each: type[BackstopError]) -> None:
    """Prefect keeps an error's text in its states and logs: it is redacted when the error is made."""
    error = each("denied for AKIAIOSFODNN7EXAMPLE", hint="password=hunter2hunter2 is wrong")

    assert "AKIAIOSFODNN7EXAMPLE" not in str(error) + repr(error) + str(error.args)
    assert "hunter2hunter2" not in str(error) + repr(error)


def test_the_tree_answers_its_three_questions() -> None:
    """Only a transient failure may be tried again, and it is no refusal: something may have changed."""
    assert issubclass(TransientFailure, StepFailed)
    assert not issubclass(StepFailed, RecoveryRefused)
