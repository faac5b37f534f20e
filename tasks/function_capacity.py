"""How many calls Lambda functions take at once: none takes them offline, whatever calls them."""

from __future__ import annotations

from functools import partial

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.offline import CLOSED, told
from rules.outcomes import Effect
from tasks.kinds import action, in_parallel, probe


@probe
def reserved_capacity(environment: Environment, function: str) -> int | None:
    """How many calls are reserved for a function; None: it shares the account's. 0: it takes none.

    Permissions: lambda:GetFunctionConcurrency
    """
    return _reserved(environment, function)


def all_capacity(environment: Environment) -> dict[str, int | None]:
    """The reserved capacity of every function of the platform, read at the same time."""
    names = [function.name for function in environment.lambda_platform.functions]
    found = in_parallel([partial(reserved_capacity, environment, name) for name in names])
    return dict(zip(names, found, strict=True))


@action(subject="{function}")
def take_offline(environment: Environment, function: str) -> Effect:
    """Let a function take no calls at all, by URL, alias, event or queue. Repeating it changes nothing.

    Permissions: lambda:GetFunctionConcurrency, lambda:PutFunctionConcurrency
    """
    return _reserve(environment, function, CLOSED)


@action(subject="{function}")
def give_capacity(environment: Environment, function: str, capacity: int | None) -> Effect:
    """Give a function the capacity it had before; None: nothing reserved. Repeating it changes nothing.

    Permissions: lambda:GetFunctionConcurrency, lambda:PutFunctionConcurrency, lambda:DeleteFunctionConcurrency
    """
    return _reserve(environment, function, capacity)


def _reserve(environment: Environment, function: str, capacity: int | None) -> Effect:
    before = _reserved(environment, function)
    if before == capacity:
        return Effect(
            subject=function,
            changed=False,
            before=told(before),
            after=told(capacity),
            detail="was so already",
        )
    client = environment.aws.client("lambda")
    with translated(f"set how many calls {function} takes"):
        if capacity is None:
            client.delete_function_concurrency(FunctionName=function)
        else:
            client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=capacity)
    return Effect(subject=function, changed=True, before=told(before), after=told(capacity))


def _reserved(environment: Environment, function: str) -> int | None:
    with translated(f"read how many calls {function} takes"):
        answer = environment.aws.client("lambda").get_function_concurrency(FunctionName=function)
    return answer.get("ReservedConcurrentExecutions")
