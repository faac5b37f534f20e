"""The stand-in for hashicorp/aws: it imports, sees drift, and ends with Terraform."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from sandbox import deploying, faults, reading
from sandbox.places import Place
from sandbox.world import Sandbox

pytestmark = [pytest.mark.real, pytest.mark.slow]

NAME = "prod-sentiment-dashboard"


def workspace(box: Sandbox, release: int = 2) -> tuple[Path, dict[str, str]]:
    """A checked-out, initialised configuration of prod, and the environment to run Terraform in."""
    deploying.check_out(box.home, box.release(release), box.home.path / "run" / "pipeline" / "prod")
    folder = box.home.path / "run" / "pipeline" / "prod" / "infrastructure"
    variables = {**os.environ, **box.variables(), "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    init = [box.terraform, "init", "-input=false", "-backend-config=backend-prod.hcl"]
    subprocess.run(init, cwd=folder, env=variables, check=True, capture_output=True)
    return folder, variables


def arguments(box: Sandbox, release: int = 2) -> list[str]:
    """The variables of a run."""
    return ["-input=false", "-json", "-var-file=prod.tfvars", f"-var=model_version={box.release(release)}"]


def run(
    box: Sandbox, folder: Path, variables: dict[str, str], *argv: str
) -> tuple[int, list[dict[str, Any]]]:
    """One Terraform command: exit code and events."""
    done = subprocess.run(
        [box.terraform, *argv], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_code_changed_past_terraform_is_drift_and_no_change(fresh_sandbox: Sandbox) -> None:
    """The plan wants nothing and exits 0, and only `resource_drift` tells: why "No changes" proves nothing."""
    faults.start(fresh_sandbox, "dashboard-code")
    folder, variables = workspace(fresh_sandbox)

    code, events = run(
        fresh_sandbox, folder, variables, "plan", "-detailed-exitcode", *arguments(fresh_sandbox)
    )

    drift = [event["change"]["resource"]["addr"] for event in events if event["type"] == "resource_drift"]
    assert 'aws_lambda_function.service["dashboard"]' in drift
    changes = next(event["changes"] for event in events if event["type"] == "change_summary")
    assert (changes["add"], changes["change"], changes["remove"]) == (0, 0, 0)
    assert code == 0


def test_what_exists_is_imported_by_blocks(fresh_sandbox: Sandbox) -> None:
    """Resources lost from the state come back by `import` blocks, and then there is nothing left to change."""
    folder, variables = workspace(fresh_sandbox)
    lost = {
        'aws_lambda_function.service["analysis"]': "prod-sentiment-analysis",
        "aws_lambda_alias.dashboard": f"{NAME}/live",
        "aws_dynamodb_table.items": "prod-sentiment-items",
        "aws_cloudwatch_composite_alarm.service": "prod-sentiment-service",
    }
    subprocess.run(
        [fresh_sandbox.terraform, "state", "rm", *lost],
        cwd=folder,
        env=variables,
        check=True,
        capture_output=True,
    )
    blocks = [
        f"import {{\n  to = {address}\n  id = {json.dumps(name)}\n}}\n" for address, name in lost.items()
    ]
    (folder / "lost.tf").write_text("".join(blocks))

    code, events = run(fresh_sandbox, folder, variables, "apply", "-auto-approve", *arguments(fresh_sandbox))

    assert code == 0, [event["@message"] for event in events if event["@level"] == "error"]
    assert next(e["changes"]["import"] for e in reversed(events) if e["type"] == "change_summary") == 4
    (folder / "lost.tf").unlink()
    code, _ = run(fresh_sandbox, folder, variables, "plan", "-detailed-exitcode", *arguments(fresh_sandbox))
    assert code == 0
    fresh_sandbox.wait_for(lambda: reading.read(fresh_sandbox.home, "prod").healthy, "the service is healthy")


def test_what_exists_already_is_refused_as_the_real_provider_does(fresh_sandbox: Sandbox) -> None:
    """Creating a function that is there ends with ResourceConflictException in the provider's words."""
    folder, variables = workspace(fresh_sandbox)
    address = 'aws_lambda_function.service["analysis"]'
    subprocess.run(
        [fresh_sandbox.terraform, "state", "rm", address],
        cwd=folder,
        env=variables,
        check=True,
        capture_output=True,
    )

    code, events = run(fresh_sandbox, folder, variables, "apply", "-auto-approve", *arguments(fresh_sandbox))

    diagnostic = next(event["diagnostic"] for event in events if event["type"] == "diagnostic")
    assert code == 1
    assert diagnostic.get("address") == address, diagnostic
    assert diagnostic["summary"].startswith(
        "creating Lambda Function (prod-sentiment-analysis): operation error Lambda"
    )
    assert "StatusCode: 409" in diagnostic["summary"]
    assert "ResourceConflictException" in diagnostic["summary"]


@pytest.mark.parametrize(("number", "left"), [(signal.SIGINT, False), (signal.SIGKILL, True)])
def test_a_killed_terraform_leaves_its_lock_an_interrupted_one_does_not(
    fresh_sandbox: Sandbox, number: signal.Signals, left: bool
) -> None:
    """SIGINT gives the lock back, SIGKILL leaves it; either way no provider stays behind."""
    folder, variables = workspace(fresh_sandbox, 1)
    faults.start(fresh_sandbox, "slow-aws")
    terraform = subprocess.Popen(
        [fresh_sandbox.terraform, "apply", "-auto-approve", *arguments(fresh_sandbox, 1)],
        cwd=folder,
        env=variables,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    fresh_sandbox.wait_for(lambda: reading.read(fresh_sandbox.home, "prod").lock != "", "it holds the lock")

    def provided() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that only answered questions ends by itself
            children = psutil.Process(terraform.pid).children()
            return any("provider_launcher.py" in " ".join(child.cmdline()) for child in children)
        return False

    fresh_sandbox.wait_for(provided, "provider")
    providers = psutil.Process(terraform.pid).children()

    terraform.send_signal(number)
    terraform.wait(timeout=60)

    held = reading.read(fresh_sandbox.home, "prod").lock
    assert (held != "") is left
    if left:
        assert json.loads(held)["Path"] == Place("prod").lock_id
        for process in providers:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    _, alive = psutil.wait_procs(providers, timeout=10)
    assert alive == []
