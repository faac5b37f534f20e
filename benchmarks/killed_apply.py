"""An apply that is killed half way: the seconds until Terraform says «no changes» again.

Terraform deploys a release to preprod and dies by SIGKILL in mid-apply, with its lock held and its state unwritten.
The flow then proves the holder dead, unlocks, and finishes the deployment. Runbook 001: «5-10 minutes».
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.practice import practice_sandbox

if TYPE_CHECKING:
    from blocks.environment import Environment
    from sandbox.world import Sandbox

ROUNDS = 3
RUNBOOK_SECONDS = 300.0
OLD, NEW = 1, 2
DEPLOYED = "benchmark-old-release"


def measure() -> Iterator[Figure]:
    """Kill it and let it be finished, several times from the same moment."""
    from deployments.environments import load_environment

    with practice_sandbox() as box:
        box.deploy("preprod", OLD)
        box.keep(DEPLOYED)
        environment = load_environment("preprod", box.home.environments)
        seconds = [_round(box, environment) for _ in range(ROUNDS)]
    yield Figure.at_most(
        "killed apply → «no changes» and proven", statistics.median(seconds), "s", RUNBOOK_SECONDS
    )


def _round(box: Sandbox, environment: Environment) -> float:
    from flows._ladder import Request
    from flows.preprod_terraform_failure import recover
    from rules.outcomes import Ending

    box.reset(DEPLOYED)
    release = box.release(NEW)
    _killed_apply(box, release)
    began = time.perf_counter()
    # Unlocking what only this host's name proves dead asks a person, and nobody is there.
    outcome = recover.fn(environment, release, request=Request(break_glass="benchmark"))
    if outcome.ending is not Ending.RECOVERED:
        raise RuntimeError(f"it did not recover: {outcome.reason}")
    return time.perf_counter() - began


def _killed_apply(box: Sandbox, release: str) -> None:
    from sandbox import deploying, faults

    folder = box.home.path / "run" / "pipeline" / "preprod"
    deploying.check_out(box.home, release, folder)
    where = folder / "infrastructure"
    variables = os.environ | box.variables() | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    init = [box.terraform, "init", "-input=false", "-backend-config=backend-preprod.hcl"]
    subprocess.run(init, cwd=where, env=variables, check=True, capture_output=True)
    faults.start(box, "slow-aws")
    given = ["-var-file=preprod.tfvars", f"-var=model_version={release}"]
    output = where / "apply.output"
    with output.open("w") as told:
        process = subprocess.Popen(
            [box.terraform, "apply", "-auto-approve", "-input=false", "-json", *given],
            cwd=where,
            env=variables,
            stdout=told,
            start_new_session=True,
        )
    while '"apply_start"' not in output.read_text() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    faults.repair(box, "slow-aws")
