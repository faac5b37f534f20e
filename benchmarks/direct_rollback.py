"""The emergency rollback of three functions past Terraform, beside the same calls in bare boto3.

Both do the same AWS calls on the practice sandbox, with the same number of threads, in turns, each time from the
same kept moment: release 3 live. What Backstop adds is its fence, its journal and its translation of errors.
"""

from __future__ import annotations

import base64
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure

if TYPE_CHECKING:
    from blocks.environment import Environment
    from flows._ladder import Rung
    from rules.plans import Plan
    from sandbox.world import Sandbox
    from tasks.release_packages import Package

ROUNDS = 9
LIMIT = 1.5
BROKEN = "release-3"


def measure() -> Iterator[Figure]:
    """The ratio of the medians keeps a bound."""
    with (
        tempfile.TemporaryDirectory(prefix="backstop-bench-") as name,
        practice(Path(name)) as (box, environment),
    ):
        rung, plan = direct_plan(box, environment)
        packages = packages_of(environment, plan)
        box.keep(BROKEN)
        ways: dict[str, Callable[[], None]] = {
            "bare": lambda: bare(environment, packages),
            "direct": lambda: rung.act(plan),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        calls = count_calls(environment)
        made: dict[str, Counter[str]] = {}
        with acting():
            for number in range(ROUNDS + 1):
                for way, act in ways.items():
                    box.reset(BROKEN)
                    calls.clear()
                    began = time.perf_counter()
                    act()
                    if number:  # the first round pays for connections
                        seconds[way].append(time.perf_counter() - began)
                    made[way] = Counter(calls)
                    assert_on_target(environment, packages)
        if made["bare"] != made["direct"]:
            raise RuntimeError(f"not the same calls: {made}")
    without, with_backstop = (statistics.median(seconds[way]) for way in ("bare", "direct"))
    yield Figure.raw(f"direct rollback: bare boto3, {sum(made['bare'].values())} calls", without, "s")
    yield Figure.raw("direct rollback: Backstop's direct rung, the same calls", with_backstop, "s")
    yield Figure.at_most("direct rollback: direct rung / bare boto3", with_backstop / without, "×", LIMIT)


@contextmanager
def practice(folder: Path) -> Iterator[tuple[Sandbox, Environment]]:
    """A sandbox with release 2 deployed and proven, then 3 deployed."""
    from blocks.settings import settings
    from deployments.environments import load_environment
    from flows.record_release import record_release
    from sandbox.world import Sandbox

    given = dict(os.environ)
    for variable in [
        name for name in os.environ if name.startswith(("AWS_", "BACKSTOP_", "PREFECT_", "TF_"))
    ]:
        del os.environ[variable]
    box = Sandbox.start(folder / "sandbox")
    try:
        os.environ |= box.variables() | {"BACKSTOP_HOME": str(folder / "home")}
        settings.cache_clear()
        environment = load_environment("prod")
        box.deploy("prod", 2)
        box.wait_until_green("prod")
        record_release.fn(environment, box.release(2))
        box.deploy("prod", 3)
        yield box, environment
    finally:
        box.stop()
        os.environ.clear()
        os.environ.update(given)
        settings.cache_clear()


def direct_plan(box: Sandbox, environment: Environment) -> tuple[Rung, Plan]:
    """What the direct rung decides."""
    from flows._release_rungs import release_rungs
    from flows._watching import detect

    rung = next(rung for rung in release_rungs("canary-failure", environment, None) if rung.name == "direct")
    plan = rung.decide(detect(environment))
    if plan.target != box.release(2):
        raise RuntimeError(f"the plan goes to {plan.target}")
    return rung, plan


def packages_of(environment: Environment, plan: Plan) -> dict[str, Package]:
    """The target's packages, hashed."""
    from tasks.release_packages import package_of

    return {f.name: package_of(environment, f.name, plan.target) for f in environment.platform.functions}


def bare(environment: Environment, packages: dict[str, Package]) -> None:
    """What a careful script would do, with nothing but boto3 and a thread a function."""
    functions, storage = environment.account.client("lambda"), environment.account.client("s3")

    def deploy(function: str, package: Package) -> None:
        functions.get_function_configuration(FunctionName=function)
        storage.head_object(Bucket=package.bucket, Key=package.key)
        functions.update_function_code(FunctionName=function, S3Bucket=package.bucket, S3Key=package.key)
        if alias := environment.platform.function(function).alias:
            code = base64.b64encode(bytes.fromhex(package.sha256)).decode()
            version = functions.publish_version(FunctionName=function, CodeSha256=code)["Version"]
            points = functions.get_alias(FunctionName=function, Name=alias)
            functions.update_alias(
                FunctionName=function, Name=alias, FunctionVersion=version, RevisionId=points["RevisionId"]
            )

    with ThreadPoolExecutor(len(packages)) as pool:
        list(pool.map(deploy, packages, packages.values()))


def count_calls(environment: Environment) -> list[str]:
    """A list that grows by every AWS call of the account's clients."""
    made: list[str] = []

    def note(model: Any, **_: Any) -> None:
        made.append(str(model.name))

    for service in ("lambda", "s3"):
        environment.account.client(service).meta.events.register("before-call", note)
    return made


@contextmanager
def acting() -> Iterator[None]:
    """An open incident that may act."""
    from ledger.cases import current_case
    from ledger.database import open_ledger
    from ledger.holders import this_process
    from ledger.incidents import Opening, open_case
    from rules.outcomes import Phase

    case = open_case(open_ledger(), Opening("benchmark", "prod", "production", 300), this_process(), 600)
    case.enter(Phase.ACT)
    token = current_case.set(case)
    with case.may_act():
        yield
    current_case.reset(token)


def assert_on_target(environment: Environment, packages: dict[str, Package]) -> None:
    """Every function's callers get the target's code: otherwise nothing was measured."""
    from tasks.lambdas import live_code

    for name, package in packages.items():
        if live_code(environment, name).sha256 != package.sha256:
            raise RuntimeError(f"{name} is not on the target")
