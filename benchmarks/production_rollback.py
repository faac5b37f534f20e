"""Production's rollback of three functions beside the bare `terraform init && plan && apply` that it needs.

The flow is timed from its first line to the moment it acted: it detects, chooses a proven release, checks its
packages, plans, writes the plan and every step into the ledger, keeps other deployments out, applies, lets them in.
Proving it afterwards takes as long as the environment says (alarms must stay clear), and bare Terraform proves
nothing: that is told apart. Both go to the same release from the same broken one, in turn, with a fresh check-out.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.practice import practice_sandbox

if TYPE_CHECKING:
    from blocks.environment import Environment
    from rules.outcomes import Outcome
    from sandbox.world import Sandbox

ROUNDS = 9
LIMIT = 1.3
GOOD, BAD = 2, 3
BROKEN = "benchmark-broken"


def measure() -> Iterator[Figure]:
    """Roll back by hand and by the flow, in turn, from the same moment."""
    seconds: dict[str, list[float]] = {"bare": [], "ours": [], "proven": []}
    with practice_sandbox() as box:
        environment = _prepared(box)
        for _ in range(ROUNDS + 1):
            seconds["bare"].append(_bare_until_it_works(box))
            box.reset(BROKEN)
            outcome = _ours(environment)
            acted = sum(
                spent for phase, spent in outcome.seconds.items() if phase not in ("verify", "report")
            )
            seconds["ours"].append(acted)
            seconds["proven"].append(sum(outcome.seconds.values()))
    bare, ours, proven = (statistics.median(seconds[way][1:]) for way in ("bare", "ours", "proven"))
    ratio = statistics.median(o / b for o, b in zip(seconds["ours"][1:], seconds["bare"][1:], strict=True))
    yield Figure.raw("bare terraform init, plan, apply", bare, "s")
    yield Figure.raw("production rollback, until it has acted", ours, "s")
    yield Figure.raw("production rollback, until it is proven", proven, "s")
    yield Figure.at_most("production rollback / bare terraform", ratio, "times", LIMIT)


def _ours(environment: Environment) -> Outcome:
    from flows.production_deploy_failure import recover
    from rules.outcomes import Ending

    outcome: Outcome = recover.fn(environment)
    if outcome.ending is not Ending.RECOVERED:
        raise RuntimeError(f"it did not recover: {outcome.reason}")
    return outcome


def _bare_until_it_works(box: Sandbox) -> float:
    """Without the rounds in which bare Terraform gives up on its own lock, as it does on a busy machine."""
    while True:
        box.reset(BROKEN)
        try:
            return _bare(box)
        except subprocess.CalledProcessError as error:
            if b"acquiring the state lock" not in error.stderr:
                raise


def _bare(box: Sandbox) -> float:
    """What a person types who knows the commit: check it out, init, plan, apply the plan."""
    folder = box.home.path / "run" / "by-hand"
    shutil.rmtree(folder, ignore_errors=True)
    where, good = folder / "infrastructure", box.release(GOOD)
    variables = os.environ | box.variables() | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    given = ["-var-file=prod.tfvars", f"-var=model_version={good}"]

    def run(*argv: str, cwd: Path = where) -> None:
        subprocess.run(argv, cwd=cwd, env=variables, check=True, capture_output=True)

    began = time.perf_counter()
    run("git", "clone", "--quiet", "--no-checkout", str(box.home.repository), str(folder), cwd=box.home.path)
    run("git", "checkout", "--quiet", "--detach", good, cwd=folder)
    run(box.terraform, "init", "-input=false", "-backend-config=backend-prod.hcl")
    run(box.terraform, "plan", "-input=false", "-out=release.tfplan", *given)
    run(box.terraform, "apply", "-input=false", "release.tfplan")
    return time.perf_counter() - began


def _prepared(box: Sandbox) -> Environment:
    """The sandbox's prod after half a deployment of the bad release; the good one is proven."""
    from deployments.environments import load_environment
    from flows.record_release import record_release
    from rules.outcomes import Verdict
    from sandbox import faults

    environment = load_environment("prod", box.home.environments)
    box.deploy("prod", GOOD)
    box.wait_until_green("prod")
    if record_release.fn(environment, box.release(GOOD)).verdict is not Verdict.PASS:
        raise RuntimeError("the good release is not proven")
    faults.start(box, "half-deployed", "prod")
    box.keep(BROKEN)
    return environment
