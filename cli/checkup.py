"""What one check of `backstop doctor` says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from rules.errors import BackstopError

Check = Callable[[], Iterable["Result"]]


class Verdict(StrEnum):
    """Warn: it would work, but not as well, or not everywhere."""

    PASS = "pass"  # noqa: S105 - a verdict
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Result:
    """One line: what was checked, what was seen, and what to do about it."""

    name: str
    verdict: Verdict
    said: str
    hint: str = ""

    def told(self) -> dict[str, str]:
        """As data."""
        return {"name": self.name, "verdict": self.verdict.value, "said": self.said, "hint": self.hint}


def passed(name: str, said: str) -> Result:
    """A check that passed."""
    return Result(name, Verdict.PASS, said)


def warned(name: str, said: str, hint: str) -> Result:
    """A check that found something to know."""
    return Result(name, Verdict.WARN, said, hint)


def failed(name: str, said: str, hint: str) -> Result:
    """A check that found something a recovery would stumble over."""
    return Result(name, Verdict.FAIL, said, hint)


def check(name: str) -> Callable[[Check], Check]:
    """Make a check whose own error counts as its failure: the doctor goes on."""

    def decorate(function: Check) -> Check:
        @functools.wraps(function)
        def checked() -> Iterable[Result]:
            try:
                return list(function())
            except BackstopError as error:
                return [failed(name, error.message, error.hint)]
            except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
                return [
                    failed(
                        name, f"{type(error).__name__}: {error}", "Run it again with --debug, or report it."
                    )
                ]

        return checked

    return decorate
