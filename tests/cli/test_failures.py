"""One clear line, a hint, and the documented exit code."""

from __future__ import annotations

import json

import pytest

from cli.failures import WrongUsage, exit_code, explain
from rules.errors import (
    AlreadyHandled,
    LeaseHeld,
    NotRecovered,
    NoWayBack,
    RecoveryRefused,
    StepFailed,
    TransientFailure,
    UndoFailed,
)

from .conftest import Backstop


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RecoveryRefused("x"), 3),
        (LeaseHeld("x"), 3),
        (NoWayBack("x"), 3),
        (AlreadyHandled("x"), 6),
        (NotRecovered("x"), 4),
        (StepFailed("x"), 4),
        (TransientFailure("x"), 4),
        (UndoFailed("x"), 5),
        (WrongUsage("x"), 2),
        (ValueError("x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_exit_code(error: BaseException, code: int) -> None:
    """The documented codes hold for every kind of error."""
    assert exit_code(error) == code


def test_an_error_is_one_line_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback: what happened on one line, what to do on the next."""
    explain(RecoveryRefused("It is frozen.", hint="Wait."), debug=False, as_json=False)

    assert capsys.readouterr().err == "backstop: It is frozen.\nhint: Wait.\n"


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """With --debug the whole traceback comes first."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any will do
        int("odd")
    explain(caught.value, debug=True, as_json=False)

    assert "Traceback" in capsys.readouterr().err


def test_an_unexpected_error_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    """Even an error nobody foresaw does not print a credential."""
    explain(ValueError("login with AKIAIOSFODNN7EXAMPLE failed"), debug=False, as_json=False)

    assert "AKIAIOSFODNN7EXAMPLE" not in capsys.readouterr().err


def test_with_json_the_error_is_data_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs that read our JSON can read the error as well."""
    explain(RecoveryRefused("No.", hint="Later."), debug=False, as_json=True)

    assert json.loads(capsys.readouterr().out) == {"error": "No.", "hint": "Later.", "exit_code": 3}


@pytest.mark.parametrize(
    "words",
    [
        ("recover", "canary-failur", "--environment", "prod"),
        ("recover", "canary-failure", "--environment", "../etc/passwd"),
        ("recover", "canary-failure", "--environment", "prod; rm -rf /"),
        ("recover", "canary-failure"),
        ("scenarios", "nonsense"),
        ("show", "inc-$(id)"),
        ("show", "last"),
        ("incidents", "--ending", "won"),
        ("incidents", "--most", "0"),
        ("stop-lever", "on", "--environment", "nowhere", "--reason", "x"),
    ],
)
def test_a_wrong_command_line_ends_with_two(backstop: Backstop, words: tuple[str, ...]) -> None:
    """What does not exist or cannot be a name is refused before anything is done, without a traceback."""
    said = backstop(*words)

    assert said.code == 2
    assert "Traceback" not in said.err
    assert said.err.strip()
