"""`backstop sandbox`: the practice world by hand. What one break does, a recovery or `repair` takes back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from cli.failures import WrongUsage
from cli.names import suggestion
from cli.options import AsJson
from cli.printing import console, print_json, table

if TYPE_CHECKING:
    from cli.stages import Stages
    from sandbox.world import Sandbox

FOLDER = "BACKSTOP_SANDBOX"
"""Names the folder of the sandbox; `environment.env` in it exports this."""

app = App(
    name="sandbox",
    help_epilogue="Examples:\n  backstop sandbox up\n  backstop sandbox break --list\n"
    "  backstop sandbox break bad-release --environment prod\n  backstop sandbox break lost-network\n"
    "  backstop sandbox repair\n  backstop sandbox down"
    "\n\nAfter `up`, `source` the printed file: then `backstop recover … --local` and AWS tools reach the sandbox.",
    help_format="plaintext",
)

Where = Annotated[
    str,
    Parameter(
        name=["--environment", "-e"],
        help="Which of the sandbox's environments: prod, preprod, qa or masking.",
    ),
]


@app.command
def up(
    *, environment: Where = "prod", empty: bool = False, stack: bool = False, as_json: AsJson = False
) -> int:
    """Start it, deploy two good releases with real Terraform, and leave it running until `down`.

    Args:
        environment: Where the releases are deployed.
        empty: Deploy nothing.
        stack: Bring the Docker stack up too, the environment `masking`; else the first break of it does.
        as_json: Print where it is as JSON.
    """
    from cli.stages import Stages
    from sandbox.world import Sandbox

    with Stages(quiet=as_json) as stages:
        with stages.stage("start the practice world"):
            sandbox = Sandbox.start(folder(), outlive=True)
        if not empty:
            _deploy_good(sandbox, environment, stages)
        if stack:
            with stages.stage("start the Docker stack, fill it, and back it up") as stage:
                stage.say(f"on {sandbox.stack.engine}")
    if not as_json:
        console().print(f"\nNow: source {sandbox.home.environment_file}")
    return _tell(sandbox, as_json=as_json)


@app.command
def down() -> int:
    """End its processes. What its AWS and its Docker stack held is gone; the repository and the packages stay."""
    from sandbox.world import stop

    stop(folder())
    console().print("The sandbox is down.")
    return 0


@app.command
def status(*, as_json: AsJson = False) -> int:
    """Say what runs, where, and what is broken on purpose.

    Args:
        as_json: Print JSON.
    """
    return _tell(_loaded(), as_json=as_json)


@app.command(name="break")
def break_(
    fault: str | None = None,
    *,
    environment: Where = "prod",
    show: Annotated[bool, Parameter(name="--list", help="List what can be broken.")] = False,
    as_json: AsJson = False,
) -> int:
    """Break something on purpose.

    Args:
        fault: What; `--list` shows the names.
        environment: Where.
        show: List what can be broken.
        as_json: Print the list as JSON.
    """
    from sandbox import faults

    known = {fault.name: fault.description for fault in faults.FAULTS.values()}
    if show or fault is None:
        if as_json:
            print_json(known)
        else:
            table("", ("fault", "what happens"), list(known.items()))
        return 0
    if fault not in known:
        raise WrongUsage(
            f"There is no fault {fault[:80]!r}.{suggestion(fault, list(known))}",
            hint="`backstop sandbox break --list` shows them.",
        )
    sandbox = _loaded()
    faults.start(sandbox, fault, environment)
    console().print(
        f"Broken: {fault} in {faults.active(sandbox)[fault]}. `backstop sandbox repair` takes it back."
    )
    return 0


@app.command
def repair() -> int:
    """Take back everything that was broken on purpose, whatever a recovery has done meanwhile."""
    from sandbox import faults

    repaired = faults.repair_all(_loaded())
    console().print(f"Repaired: {', '.join(repaired)}." if repaired else "Nothing was broken on purpose.")
    return 0


def folder() -> Path:
    """Where the sandbox is: BACKSTOP_SANDBOX, else `sandbox` in Backstop's home."""
    from blocks.settings import settings

    named = os.environ.get(FOLDER)
    return Path(named) if named else settings().home / "sandbox"


def _loaded() -> Sandbox:
    from sandbox.world import Sandbox

    return Sandbox.load(folder())


def _deploy_good(sandbox: Sandbox, environment: str, stages: Stages) -> None:
    """Deploy releases 1 and 2, and prove each, so that there is something to return to."""
    from cli.pipeline import prove_here, short

    for number in (1, 2):
        release = sandbox.release(number)
        with stages.stage(f"deploy release {number} ({short(release)}) with Terraform"):
            sandbox.deploy(environment, number)
        with stages.stage(f"prove release {number}, and remember it as good") as stage:
            stage.say(prove_here(environment, release, sandbox.home.environments))


def _tell(sandbox: Sandbox, *, as_json: bool) -> int:
    from sandbox import faults

    status, broken = sandbox.status(), faults.active(sandbox)
    if as_json:
        print_json(
            {
                "running": status.running,
                "home": status.home,
                "aws": status.aws_url,
                "processes": status.processes,
                "stack": status.stack,
                "broken": broken,
            }
        )
        return 0
    out = console()
    out.print(f"{'Running' if status.running else 'Not running'} in {status.home}, AWS at {status.aws_url}")
    for name, lives in status.processes.items():
        out.print(f"  {name:<18} {'lives' if lives else 'is gone'}")
    out.print(f"  {'Docker stack':<18} {status.stack}")
    for name, where in broken.items():
        out.print(f"  broken on purpose: {name} in {where}")
    return 0
