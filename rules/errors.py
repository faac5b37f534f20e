"""What can go wrong, as types that answer: did anything change, may it be tried again, who wakes up.

BackstopError
├── RecoveryRefused      nothing was changed; the hint says what to do first
│   ├── AlreadyHandled   another live run is working on the same incident
│   └── LeaseHeld        another incident holds the environment
├── NoWayBack            this way cannot help (no proven release, no backup, no package): the next rung may
├── StepFailed           a step failed for good; something may have changed
│   └── TransientFailure the same step may succeed if tried again (throttling, 5xx, a lost connection)
├── LeaseLost            somebody else took over: stop at once, change nothing more
└── NotRecovered         acted, but the environment is not proven healthy: a person is paged
    └── UndoFailed       and going back failed too: the worst case, paged at once
"""

from __future__ import annotations

from rules.redaction import redact


class BackstopError(Exception):
    """The root of every error Backstop raises itself.

    `message` says what happened, `hint` what the person reading it should do next. Both are redacted here:
    Prefect keeps the text of an error in its states and logs.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message, self.hint = redact(message), redact(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} Hint: {self.hint}" if self.hint else self.message


class RecoveryRefused(BackstopError):
    """Raised before anything was changed: bad input, a guard, an approval that was not given."""


class AlreadyHandled(RecoveryRefused):
    """Raised when a live run already works on the same scenario in the same environment."""


class LeaseHeld(RecoveryRefused):
    """Raised when another incident holds the environment's lease; says who and until when."""


class NoWayBack(BackstopError):
    """Raised when a rung has nothing to return to; nothing was changed by it."""


class StepFailed(BackstopError):
    """Raised when a step failed and trying it again would not help; something may have changed."""


class TransientFailure(StepFailed):
    """Raised when a step failed in a way that a later try may not: the only error tasks retry on."""


class LeaseLost(BackstopError):
    """Raised when this run no longer holds the environment's lease. It must not act again."""


class NotRecovered(BackstopError):
    """Raised when acting did not bring the environment back and no rung is left."""


class UndoFailed(NotRecovered):
    """Raised when a step of the undo failed: the environment is in neither state."""
