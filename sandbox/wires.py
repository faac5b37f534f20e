"""Faults between callers and AWS: what the front of the sandbox's AWS does to their calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sandbox.aws_front import Rule, change_rules
from sandbox.places import EXECUTION, FOREIGN_ACCOUNT
from sandbox.world import Sandbox

_DENIED = "User: arn:aws:iam::123456789012:user/deployer is not authorized to perform: {} on the resource"

ON_THE_WIRE: dict[str, tuple[str, tuple[Rule, ...]]] = {
    "throttling": (
        "AWS refuses the next 6 Lambda calls: too many requests.",
        (
            Rule(
                "lambda.*",
                "error",
                times=6,
                code="TooManyRequestsException",
                status=429,
                message="Rate exceeded",
            ),
        ),
    ),
    "server-errors": (
        "The next 4 Lambda calls end with 503.",
        (
            Rule(
                "lambda.*", "error", times=4, code="ServiceException", status=503, message="Please try again"
            ),
        ),
    ),
    "lost-reply": (
        "AWS does what the next change of a function's code asks, and its answer is lost.",
        (Rule("lambda.UpdateFunctionCode", "lose-reply", times=1),),
    ),
    "lost-lock-reply": (
        "Terraform takes a state's lock next, and does not hear that it has it: it meets its own lock.",
        (Rule("dynamodb.PutItem", "lose-reply", times=1, agent="HashiCorp"),),
    ),
    "state-write-refused": (
        "Terraform may not write its state any more: what it applies is made, and it cannot say so.",
        (
            Rule(
                "s3.PutObject",
                "error",
                code="AccessDenied",
                status=403,
                message="Access Denied",
                agent="HashiCorp",
            ),
        ),
    ),
    "slow-aws": (
        "Every call takes half a second longer.",
        (Rule("*", "delay", seconds=0.5, spares=EXECUTION),),
    ),
    "secret-unreadable": (
        "Nobody may read secrets any more, the service included.",
        (
            Rule(
                "secretsmanager.GetSecretValue",
                "error",
                code="AccessDeniedException",
                message=_DENIED.format("secretsmanager:GetSecretValue"),
            ),
        ),
    ),
    "function-changes-denied": (
        "Nobody may change a function's code any more: neither Terraform nor a direct call can roll back.",
        (
            Rule(
                "lambda.UpdateFunctionCode",
                "error",
                code="AccessDeniedException",
                status=403,
                message=_DENIED.format("lambda:UpdateFunctionCode"),
            ),
        ),
    ),
    "terraform-denied": (
        "Terraform may not change a function's code any more: its apply fails half way. Direct calls work.",
        (
            Rule(
                "lambda.UpdateFunctionCode",
                "error",
                code="AccessDeniedException",
                status=403,
                message=_DENIED.format("lambda:UpdateFunctionCode"),
                agent="terraform-provider-aws",
            ),
        ),
    ),
    "quota-exhausted": (
        "The account's quota of function code is used up: nobody can store another package.",
        (
            Rule(
                "lambda.UpdateFunctionCode",
                "error",
                code="CodeStorageExceededException",
                message="Code storage limit exceeded.",
            ),
        ),
    ),
    "expired-credentials": (
        "The credentials have expired: every call is refused.",
        (
            Rule(
                "*",
                "error",
                code="ExpiredTokenException",
                status=403,
                message="The security token included in the request is expired",
                spares=EXECUTION,
            ),
        ),
    ),
    "throttled-logs": (
        "AWS refuses every log query beyond three in a second: rate exceeded.",
        (
            Rule(
                "logs.FilterLogEvents",
                "error",
                code="ThrottlingException",
                message="Rate exceeded",
                per_second=3,
            ),
        ),
    ),
    "aws-down": (
        "AWS hangs up on everybody before doing anything.",
        (Rule("*", "drop"),),
    ),
    "wrong-account": (
        "The credentials belong to another, empty account.",
        (Rule("*", "account", account=FOREIGN_ACCOUNT, spares=EXECUTION),),
    ),
}
"""Faults between callers and AWS: description and rules."""


def with_rules(name: str, *rules: Rule) -> Callable[[Sandbox, str], None]:
    """Break the wires by rules."""

    def act(sandbox: Sandbox, environment: str) -> None:
        def change(now: list[Rule]) -> list[Rule]:
            fresh = [replace(rule, name=name) for rule in rules]
            return [rule for rule in now if rule.name != name] + fresh

        change_rules(sandbox.home.faults, change)

    return act


def without_rules(name: str) -> Callable[[Sandbox, str], None]:
    """Mend the wires."""

    def act(sandbox: Sandbox, environment: str) -> None:
        change_rules(sandbox.home.faults, lambda now: [rule for rule in now if rule.name != name])

    return act
