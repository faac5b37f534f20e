"""Why tests failed: the code, or something that no change of the code would cure?

Runbook source: 001, «Dev Tests Fail» and «Preprod Tests Fail», root causes. Each failed test is judged by itself with
the table below; the first row that fits decides, so special causes stand above the assertions that follow from them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from rules.pytest_logs import FailedTest
from rules.redaction import redact
from rules.values import Frozen

_LONGEST_EVIDENCE = 240


class FailureKind(StrEnum):
    """What made a test fail."""

    MISSING_VARIABLE = "missing environment variable"
    SECRETS = "secrets"
    THROTTLING = "throttling"
    DEPENDENCY = "dependency"
    POLLUTED_DATA = "polluted data"
    INFRASTRUCTURE = "infrastructure"
    CODE = "code"
    UNKNOWN = "unknown"


ADVICE: dict[FailureKind, str] = {
    FailureKind.MISSING_VARIABLE: "Define it in the workflow or in the repository's variables and secrets.",
    FailureKind.SECRETS: "See that the secret exists, is current, and may be read by the role of the workflow.",
    FailureKind.THROTTLING: "Run the failed jobs again later; if it stays, send fewer requests or ask for a quota.",
    FailureKind.DEPENDENCY: "See that the package and its version exist, and that the lock file fits.",
    FailureKind.POLLUTED_DATA: "Remove what an earlier test run left behind, then run the failed jobs again.",
    FailureKind.INFRASTRUCTURE: "Repair what the tests run against, then run the failed jobs again.",
    FailureKind.CODE: "Run the failed tests locally, repair the code or the test, and push.",
    FailureKind.UNKNOWN: "Read the log: nothing in it is known.",
}
"""What helps, in one sentence."""


class Sign(NamedTuple):
    """One row: text that shows a cause, and what it means."""

    kind: FailureKind
    pattern: re.Pattern[str]
    meaning: str


def _sign(kind: FailureKind, pattern: str, meaning: str) -> Sign:
    return Sign(kind, re.compile(pattern), meaning)


_K = FailureKind
SIGNS: tuple[Sign, ...] = (
    _sign(_K.MISSING_VARIABLE, r"\bKeyError: ['\"][A-Z][A-Z0-9]*_[A-Z0-9_]+['\"]", "a variable is not set"),
    _sign(
        _K.MISSING_VARIABLE,
        r"(?i:environment variables? .{0,80}?\b(?:not set|missing|required|undefined|not defined)"
        r"|(?:missing|required|undefined|unset) (?:required )?(?:environment|env) var)",
        "a variable is not set",
    ),
    _sign(_K.MISSING_VARIABLE, r"\b[A-Z][A-Z0-9_]+: unbound variable", "a shell variable is not set"),
    _sign(_K.MISSING_VARIABLE, r"Input required and not supplied:", "an action's input is empty"),
    _sign(_K.MISSING_VARIABLE, r"validation errors? for \w*Settings\b", "settings are incomplete"),
    _sign(
        _K.THROTTLING,
        r"Throttl(?:ing|ed)|TooManyRequests|(?i:rate exceeded|rate limit exceeded|secondary rate limit)"
        r"|ProvisionedThroughputExceeded|RequestLimitExceeded|\(SlowDown\)"
        r"|\b429 (?:Too Many|==)|status(?:_code| code)?\W{1,4}429\b",
        "requests were throttled",
    ),
    _sign(
        _K.SECRETS,
        r"Secrets Manager can't find|GetSecretValue|secretsmanager:|ssm:GetParameter|ParameterNotFound",
        "a secret cannot be read",
    ),
    _sign(
        _K.SECRETS,
        r"ExpiredToken|InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|NoCredentialsError"
        r"|(?i:unable to locate credentials|credentials could not be loaded|could not assume role|bad credentials"
        r"|invalid api key|token (?:has |is )?expired)",
        "credentials are missing, wrong or expired",
    ),
    _sign(
        _K.DEPENDENCY,
        r"ModuleNotFoundError: No module named|No matching distribution found|Could not find a version that"
        r"|ResolutionImpossible|DO NOT MATCH THE HASHES|No solution found when resolving|npm (?:ERR!|error) (?:code )?E"
        r"|ERESOLVE|Cannot find module|lock ?file .{0,60}(?:out of date|outdated|needs to be updated)",
        "a package is missing or does not fit",
    ),
    _sign(
        _K.DEPENDENCY,
        r"(?i:(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org).{0,200}(?:timed? ?out|refused|unreachable|50\d)"
        r"|(?:timed? ?out|refused|unreachable).{0,200}(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org))",
        "a package registry did not answer",
    ),
    _sign(
        _K.POLLUTED_DATA,
        r"ConditionalCheckFailed|UniqueViolation|(?i:duplicate (?:key|entry)|unique constraint failed)"
        r"|ResourceInUseException|AlreadyExists|(?i:\balready exists?\b)",
        "what the test writes is there already",
    ),
    _sign(
        _K.POLLUTED_DATA,
        r"(?i:expected \d+ (?:items?|rows?|records?|results?).{0,40}(?:got|found|were) \d+"
        r"|(?:stale|polluted|left ?over).{0,30}(?:data|items?|rows?|records?))",
        "there is more data than the test wrote",
    ),
    _sign(
        _K.INFRASTRUCTURE,
        r"AccessDenied|not authorized to perform|UnauthorizedOperation|\(Forbidden\)",
        "a role lacks a permission",
    ),
    _sign(
        _K.INFRASTRUCTURE,
        r"ResourceNotFoundException|NoSuchBucket|(?i:requested resource not found|function not found)",
        "a resource is not there",
    ),
    _sign(
        _K.INFRASTRUCTURE,
        r"EndpointConnectionError|Could not connect to the endpoint|(?i:connection (?:refused|reset|aborted))"
        r"|Connect(?:ion)?Timeout|ReadTimeout|ConnectError\b|ConnectionError\b|Max retries exceeded"
        r"|(?i:name or service not known|temporary failure in name resolution|no route to host)",
        "something could not be reached",
    ),
    _sign(
        _K.INFRASTRUCTURE,
        r"\b50[0234] (?:Internal|Bad Gateway|Service|Gateway|==)|ServiceUnavailable|InternalServerError"
        r"|status(?:_code| code)?\W{1,4}50[0234]\b",
        "a service answered with its own error",
    ),
    _sign(
        _K.INFRASTRUCTURE,
        r"runner has received a shutdown|lost communication with the server|No space left on device|exit code 137"
        r"|(?i:out of memory)|OOMKilled|Killed$|maximum execution time|Error acquiring the state lock",
        "the runner or its resources gave out",
    ),
    _sign(
        _K.CODE,
        r"\bSyntaxError|IndentationError|ImportError: cannot import name|circular import|\bNameError",
        "the code cannot run",
    ),
    _sign(
        _K.CODE, r"\bAssertionError|^assert |\bassert .+ (?:==|!=|in|is|<|>) ", "an assertion does not hold"
    ),
    _sign(_K.CODE, r"DID NOT RAISE|fixture '.+' not found|Failed: ", "a test's expectation does not hold"),
    _sign(_K.CODE, r"\b\w*(?:Error|Exception)\b", "the code raised"),
)
"""The table, most special first."""

_COUNTED = re.compile(r"\bassert (\d+) == (\d+)")
_LENGTH = re.compile(r"\bwhere (\d+) = (?:len|count)\(|['\"]Count['\"]")


class Failure(Frozen):
    """One failed test, judged: `evidence` is the line that decided, redacted."""

    test: str
    kind: FailureKind
    reason: str
    evidence: str = ""


class Classification(Frozen):
    """Every failed test, judged; `kind` is what most of them have (of equals, the more special)."""

    failures: tuple[Failure, ...] = ()

    @property
    def counts(self) -> dict[FailureKind, int]:
        """How many tests failed for each cause; most first, of equals the more special one."""
        found = Counter(failure.kind for failure in self.failures)
        order = list(FailureKind)
        return dict(sorted(found.items(), key=lambda one: (-one[1], order.index(one[0]))))

    @property
    def kind(self) -> FailureKind:
        """The cause of most failures."""
        return next(iter(self.counts), FailureKind.UNKNOWN)

    @property
    def curable_by_running_again(self) -> bool:
        """Whether no failure needs another code: what remains may pass once its cause is gone."""
        stay = {FailureKind.CODE, FailureKind.UNKNOWN, FailureKind.DEPENDENCY, FailureKind.MISSING_VARIABLE}
        return bool(self.failures) and not any(failure.kind in stay for failure in self.failures)

    @property
    def summary(self) -> str:
        """One sentence: `3 failed: 2 throttling, 1 code`."""
        told = ", ".join(f"{number} {kind.value}" for kind, number in self.counts.items())
        return f"{len(self.failures)} failed: {told}" if told else "no failed test was found"


def classify(failed: Iterable[FailedTest]) -> Classification:
    """Judge every failed test by itself."""
    return Classification(failures=tuple(judge(each) for each in failed))


def judge(failed: FailedTest) -> Failure:
    """Why one test failed: the first row of the table that fits any of its lines."""
    for sign in SIGNS:
        for line in failed.lines:
            if sign.pattern.search(line):
                if sign.kind is FailureKind.CODE and (more := _too_many(failed.lines)):
                    return _failure(
                        failed, FailureKind.POLLUTED_DATA, "there is more data than the test wrote", more
                    )
                return _failure(failed, sign.kind, sign.meaning, line)
    return _failure(failed, FailureKind.UNKNOWN, "no line of its log is known", next(iter(failed.lines), ""))


def _too_many(lines: tuple[str, ...]) -> str:
    """The line that says a collection is longer than the test expects; empty: there is none."""
    counted = next((line for line in lines if _COUNTED.search(line)), "")
    if not counted or not any(_LENGTH.search(line) for line in lines):
        return ""
    numbers = _COUNTED.search(counted)
    return counted if numbers and int(numbers[1]) > int(numbers[2]) else ""


def _failure(failed: FailedTest, kind: FailureKind, reason: str, line: str) -> Failure:
    return Failure(
        test=redact(failed.name)[:_LONGEST_EVIDENCE],
        kind=kind,
        reason=reason,
        evidence=redact(line)[:_LONGEST_EVIDENCE],
    )
