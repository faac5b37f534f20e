"""How the command line fails: one clear line, a hint, and the documented exit code."""

from __future__ import annotations

import json
import os
import sys
import traceback

from rules.errors import (
    AlreadyHandled,
    BackstopError,
    LeaseLost,
    NotRecovered,
    NoWayBack,
    RecoveryRefused,
    StepFailed,
    UndoFailed,
)

UNEXPECTED, USAGE, REFUSED, NOT_RECOVERED, UNDO_FAILED, ALREADY_HANDLED, INTERRUPTED = 1, 2, 3, 4, 5, 6, 130

_CODES: tuple[tuple[type[BackstopError], int], ...] = (
    (AlreadyHandled, ALREADY_HANDLED),
    (RecoveryRefused, REFUSED),
    (NoWayBack, REFUSED),
    (UndoFailed, UNDO_FAILED),
    (NotRecovered, NOT_RECOVERED),
    (LeaseLost, NOT_RECOVERED),
    (StepFailed, NOT_RECOVERED),
)


class WrongUsage(BackstopError):
    """Raised when the command line names something that does not exist; nothing was done."""


class Unready(RecoveryRefused):
    """Raised when something this command needs is missing: a server, a program, a port."""


def exit_code(error: BaseException) -> int:
    """The documented exit code of an error."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, WrongUsage):
        return USAGE
    return next((code for kind, code in _CODES if isinstance(error, kind)), UNEXPECTED)


def explain(error: BaseException, *, debug: bool, as_json: bool) -> int:
    """Print what happened and what to do, and return the exit code. With `debug` the whole traceback too."""
    if isinstance(error, SystemExit):
        return _exit_status(error)
    if isinstance(error, BrokenPipeError):
        # Whoever read our output (head, less) has gone; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    code = exit_code(error)
    message, hint = _told(error)
    if debug and not isinstance(error, KeyboardInterrupt):
        traceback.print_exception(error)
    if as_json:
        print(json.dumps({"error": message, "hint": hint, "exit_code": code}))
    print(f"backstop: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return code


def _told(error: BaseException) -> tuple[str, str]:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted.", ""
    if isinstance(error, BackstopError):
        return error.message, error.hint
    from rules.redaction import redact

    lines = str(error).strip().splitlines()
    first = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return str(redact(first)), "This was not expected. The same command with --debug shows where it happened."


def _exit_status(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)
    return UNEXPECTED
