"""The direct rung's rollback of three functions beside the same calls in bare boto3, on the practice sandbox.

Both set the same code on the same functions, three at a time, in turn. Ours also checks the lease, writes each
intent and result into the ledger, and looks whether the package is still the one that was planned.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.figures import Figure
from benchmarks.practice import acting, practice_sandbox
from blocks.environment import Environment
from rules.plans import Plan

ROUNDS = 40
LIMIT = 1.5
DEPLOYED, OTHER = 2, 3


def measure() -> Iterator[Figure]:
    """Swap the functions between two releases, ours and bare in turn."""
    with practice_sandbox() as box:
        from deployments.environments import load_environment
        from flows._release_rungs import release_rungs

        box.deploy("prod", DEPLOYED)
        environment = load_environment("prod", box.home.environments)
        names = [box.release(OTHER), box.release(DEPLOYED)]
        direct = release_rungs("benchmark", environment, None)[1]
        ways: dict[str, Callable[[Plan], None]] = {"ours": direct.act, "bare": partial(_bare, environment)}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        plans = [_plan(environment, name) for name in names]
        with acting(environment):
            for number in range(2 * ROUNDS + 4):
                way = ("ours", "ours", "bare", "bare")[number % 4]  # each goes there and back
                began = time.perf_counter()
                ways[way](plans[number % 2])
                if number >= 4:  # the first of each pays for connections
                    seconds[way].append(time.perf_counter() - began)
    ours, bare = (statistics.median(seconds[way]) for way in ("ours", "bare"))
    yield Figure.raw("3 functions, the same calls in bare boto3", bare, "s")
    yield Figure.raw("3 functions, direct rung", ours, "s")
    yield Figure.at_most("direct rung / bare boto3", ours / bare, "times", LIMIT)


def _plan(environment: Environment, release: str) -> Plan:
    from flows._release_rungs import PACKAGE
    from tasks.release_packages import package_of

    names = [function.name for function in environment.lambda_platform.functions]
    facts = {f"{PACKAGE}{n}": package_of(environment, n, release).model_dump_json() for n in names}
    return Plan(scenario="benchmark", environment=environment.name, rung="direct", title="Swap", facts=facts)


def _bare(environment: Environment, plan: Plan) -> None:
    """What a careful person's script would call: look, check the package, set the code, move the alias."""
    import base64

    from flows._release_rungs import PACKAGE
    from tasks.release_packages import Package

    functions, s3 = environment.aws.client("lambda"), environment.aws.client("s3")

    def deploy(package: Package) -> None:
        functions.get_function_configuration(FunctionName=package.function)
        s3.head_object(Bucket=package.bucket, Key=package.key)
        functions.update_function_code(
            FunctionName=package.function, S3Bucket=package.bucket, S3Key=package.key
        )
        if environment.lambda_platform.function(package.function).alias:
            sha = base64.b64encode(bytes.fromhex(package.sha256)).decode()
            version = functions.publish_version(FunctionName=package.function, CodeSha256=sha)["Version"]
            functions.get_alias(FunctionName=package.function, Name="live")
            functions.update_alias(FunctionName=package.function, Name="live", FunctionVersion=version)

    packages = [Package.model_validate_json(v) for k, v in plan.facts.items() if k.startswith(PACKAGE)]
    with ThreadPoolExecutor(len(packages)) as pool:
        list(pool.map(deploy, packages))
