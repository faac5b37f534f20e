"""What Terraform's error diagnostics mean, from the texts its backends and providers really print.

Retried: throttling, 5xx, a lost connection, «an update is in progress», a state that could not be saved (it is pushed
back first). Never retried: configuration, credentials, quotas, a stale plan, a lock. Providers print everything into
the summary, in the AWS SDK's form:
`operation error SVC: Op, https response error StatusCode: N, RequestID: x, Code: message`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum

from rules import state_locks
from rules.errors import StepFailed, TransientFailure
from rules.state_locks import StateLock
from rules.values import Frozen


class Cause(StrEnum):
    """Why Terraform failed."""

    STATE_LOCK = "the state is locked"
    STALE_PLAN = "the saved plan is stale"
    STATE_NOT_SAVED = "the state could not be saved"
    STATE_DIGEST = "the state does not match its digest"
    ALREADY_MANAGED = "the resource is managed already"
    ALREADY_EXISTS = "the resource exists already"
    THROTTLING = "throttled"
    TRANSIENT = "a passing fault"
    QUOTA = "a quota is exhausted"
    AUTH = "not allowed"
    INTERRUPTED = "interrupted"
    NOT_READY = "the folder is not initialised"
    CONFIGURATION = "the configuration is wrong"
    API = "AWS refused"
    UNKNOWN = "an unknown fault"


class Diagnostic(Frozen):
    """One error diagnostic as Terraform's `-json` output gives it."""

    summary: str
    detail: str = ""
    address: str = ""
    file: str = ""
    line: int = 0


class Diagnosis(Frozen):
    """What a diagnostic means. `identifier` is the existing resource's id where the message names it."""

    cause: Cause
    text: str
    address: str = ""
    identifier: str = ""
    lock: StateLock | None = None

    @property
    def passes(self) -> bool:
        """Whether trying again may help."""
        return self.cause in (Cause.THROTTLING, Cause.TRANSIENT, Cause.STATE_NOT_SAVED, Cause.NOT_READY)


class ConfigurationWrong(StepFailed):
    """Raised when the infrastructure code itself is at fault: no other try, and nobody but its author, will cure it."""


HINTS: dict[Cause, str] = {
    Cause.STATE_LOCK: "Somebody's Terraform holds the state. Find out who (the message says), never unlock by age.",
    Cause.STALE_PLAN: "The state has changed since the plan was made: plan again, look at it, apply that.",
    Cause.STATE_NOT_SAVED: "The state is kept in `errored.tfstate`. Start again: it is saved before anything else.",
    Cause.STATE_DIGEST: "A state version was restored by hand: correct or delete the digest entry of the lock table.",
    Cause.ALREADY_MANAGED: "Nothing to import: the state knows this resource.",
    Cause.ALREADY_EXISTS: "It was made outside Terraform: an `import` block brings it into the state, in a plan.",
    Cause.THROTTLING: "AWS asked to slow down; it is tried again.",
    Cause.TRANSIENT: "AWS or the network did not answer; it is tried again.",
    Cause.QUOTA: "Raise the quota or delete what is not needed; trying again does not help.",
    Cause.AUTH: "Renew the credentials, or allow what the message names to the role Backstop runs as.",
    Cause.INTERRUPTED: "It was stopped on purpose; the state was written.",
    Cause.NOT_READY: "Terraform is initialised again, and it is tried again.",
    Cause.CONFIGURATION: "Correct the infrastructure code of that release, or choose another release.",
    Cause.API: "The request itself was refused; another try would not help.",
    Cause.UNKNOWN: "Look at the run's output in the working directory.",
}

_SDK = re.compile(r"operation error [^:]+: \w+,.*?StatusCode: (?P<status>\d+)", re.DOTALL)
_EXISTS = re.compile(
    r"already managed|AlreadyExist|already exist|ResourceInUseException|BucketAlreadyOwnedByYou|QueueNameExists"
    r"|ResourceConflictException: Function already exist",
    re.IGNORECASE,
)
_BUSY = re.compile(r"update is in progress|operation is in progress", re.IGNORECASE)
_THROTTLED = re.compile(
    r"Throttl|TooManyRequests|RequestLimitExceeded|Rate exceeded|SlowDown|ProvisionedThroughputExceeded"
    r"|TooManyUpdates|: 429 Too Many",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"LimitExceeded|QuotaExceeded|CodeStorageExceeded|ServiceQuota|InsufficientInstanceCapacity|VcpuLimit"
    r"|AddressLimit|maximum number of",
    re.IGNORECASE,
)
_AUTH = re.compile(
    r"ExpiredToken|InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|AccessDenied"
    r"|UnauthorizedOperation|NoCredential|no valid credential|not authorized",
    re.IGNORECASE,
)
_TRANSIENT = re.compile(
    r"connection reset|connection refused|i/o timeout|TLS handshake timeout|Client\.Timeout|StatusCode: 5\d\d"
    r"|no such host|unexpected EOF|: EOF$|context deadline exceeded|transport is closing"
    r"|timeout while waiting for plugin|timed out waiting for server handshake|could not connect to registry"
    r"|registry service is unreachable|Failed to query available provider packages",
    re.IGNORECASE | re.MULTILINE,
)
_IDENTIFIER = re.compile(r"\(([^()]+)\)")
_NOT_READY = re.compile(
    r"Backend initialization required|Backend configuration (block has )?changed|Required plugins are not installed"
)
_CONFIGURATION = re.compile(
    r"Missing required argument|Unsupported argument|No value for required variable"
    r"|Value for undeclared variable|Unclosed configuration block|Reference to undeclared"
    r"|No configuration files|Failed to read (variables )?file|Inconsistent dependency lock file"
    r"|Unsupported Terraform Core version|Invalid backend configuration|Module not installed",
    re.IGNORECASE,
)


def diagnose(diagnostic: Diagnostic) -> Diagnosis:
    """What one diagnostic means."""
    text = f"{diagnostic.summary}\n{diagnostic.detail}"
    lock = state_locks.from_diagnostic(diagnostic.detail)
    cause = next((cause for cause, fits in _TABLE if fits(diagnostic, text)), Cause.UNKNOWN)
    identifier = _IDENTIFIER.search(diagnostic.summary) if cause is Cause.ALREADY_EXISTS else None
    where = f" ({diagnostic.file} line {diagnostic.line})" if diagnostic.file else ""
    return Diagnosis(
        cause=cause,
        text=" ".join(diagnostic.summary.split()) + where + _which(cause, diagnostic.detail),
        address=diagnostic.address,
        identifier=identifier.group(1) if identifier else "",
        lock=lock if cause is Cause.STATE_LOCK else None,
    )


def _which(cause: Cause, detail: str) -> str:
    """The first sentence of what is wrong with the configuration: its summary names neither argument nor file."""
    first = " ".join(detail.split()).partition(". ")[0].rstrip(".")
    return f": {first[:200]}" if cause is Cause.CONFIGURATION and first else ""


def _says(pattern: re.Pattern[str]) -> Callable[[Diagnostic, str], bool]:
    return lambda _diagnostic, text: bool(pattern.search(text))


def _is_lock(diagnostic: Diagnostic, _text: str) -> bool:
    """Without a `Lock Info` block it is the backend that failed, not a lock that is held."""
    held = state_locks.from_diagnostic(diagnostic.detail) is not None
    return held and diagnostic.summary.startswith("Error acquiring the state lock")


# In order: the first that fits. Throttling stands before quotas because RequestLimitExceeded is throttling, and
# «an update is in progress» before «exists already» because both come as ResourceConflictException.
_TABLE: tuple[tuple[Cause, Callable[[Diagnostic, str], bool]], ...] = (
    (Cause.STATE_LOCK, _is_lock),
    (Cause.STALE_PLAN, lambda d, _: d.summary.startswith("Saved plan is stale")),
    (Cause.STATE_DIGEST, lambda _, text: "does not have the expected content" in text),
    (Cause.STATE_NOT_SAVED, _says(re.compile(r"Failed to (save|persist) state"))),
    (Cause.NOT_READY, _says(_NOT_READY)),
    (Cause.INTERRUPTED, lambda d, _: "execution halted" in d.summary),
    (Cause.ALREADY_MANAGED, lambda _, text: "Resource already managed by Terraform" in text),
    (Cause.TRANSIENT, _says(_BUSY)),
    (Cause.THROTTLING, _says(_THROTTLED)),
    (Cause.QUOTA, _says(_QUOTA)),
    (Cause.AUTH, _says(_AUTH)),
    (Cause.ALREADY_EXISTS, _says(_EXISTS)),
    (Cause.TRANSIENT, _says(_TRANSIENT)),
    (Cause.API, _says(_SDK)),
    (Cause.CONFIGURATION, lambda d, text: bool(d.file) or bool(_CONFIGURATION.search(text))),
)


def deciding(diagnoses: Sequence[Diagnosis]) -> Diagnosis | None:
    """The diagnosis that decides what happens next: one that does not pass outweighs those that do."""
    return next((d for d in diagnoses if not d.passes), diagnoses[0] if diagnoses else None)


def as_error(doing: str, diagnoses: Sequence[Diagnosis], last_line: str = "") -> StepFailed:
    """Our error for a failed run. Unknown faults are passed on whole."""
    first = deciding(diagnoses)
    if first is None:
        return StepFailed(
            f"Could not {doing}: Terraform failed without saying why. {last_line}".strip(),
            hint=HINTS[Cause.UNKNOWN],
        )
    kind: type[StepFailed] = TransientFailure if first.passes else StepFailed
    if first.cause is Cause.CONFIGURATION:
        kind = ConfigurationWrong
    more = f" (and {len(diagnoses) - 1} more)" if len(diagnoses) > 1 else ""
    held = f"; {first.lock}" if first.lock else ""
    return kind(f"Could not {doing}: {first.cause.value}: {first.text}{held}{more}", hint=HINTS[first.cause])
