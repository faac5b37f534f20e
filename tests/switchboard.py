"""The smallest real world to recover: a folder of switches, each a file, and a log of every change.

It stands for no product. The frame's own promises are tested on it, in milliseconds and at every point of
death.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from prefect import flow

from blocks.aws_account import AwsAccount
from blocks.environment import Environment
from blocks.platforms import LambdaFunction, LambdaPlatform
from blocks.terraform_workspace import TerraformWorkspace
from flows._incident import Request, Rung, Snapshot, handle
from rules.approvals import Policy
from rules.errors import NoWayBack, StepFailed, TransientFailure
from rules.outcomes import Check, Effect, Finding, Outcome, Verdict, Verification
from rules.plans import Change, Plan
from rules.severity import Destructiveness, Severity, Situation, Tier
from tasks.kinds import action, in_parallel, probe

SWITCHES = ("left", "right")


def make_environment(name: str = "practice", tier: Tier = Tier.STAGING, **more: object) -> Environment:
    """An environment in the account that moto stands for."""
    values: dict[str, object] = {
        "name": name,
        "tier": tier,
        "account": AwsAccount(account_id="123456789012", region="us-east-1"),
        "platform": LambdaPlatform(
            functions=[LambdaFunction(name="practice-one", package="one")],
            artifact_bucket="practice-packages",
            terraform=TerraformWorkspace(
                repository="/nowhere", backend_config="backend.hcl", var_file="practice.tfvars"
            ),
        ),
        "automatic_up_to": Policy.TWO_APPROVERS,
        **more,
    }
    return Environment.model_validate(values)


def wire(board: Path, *, left: str = "bad", right: str = "bad") -> Path:
    """Set the switches and forget every change."""
    board.mkdir(parents=True, exist_ok=True)
    (board / "left").write_text(left)
    (board / "right").write_text(right)
    (board / "changes").write_text("")
    return board


def read(board: Path) -> dict[str, str]:
    """How the switches stand."""
    return {name: (board / name).read_text() for name in SWITCHES}


def changes(board: Path) -> list[str]:
    """Every change ever made, in order."""
    return (board / "changes").read_text().splitlines()


@probe
def look(board: Path) -> dict[str, str]:
    """Read the switches; a file `blind` makes it fail, a file `busy` makes it fail once."""
    if (board / "blind").exists():
        raise StepFailed("the board cannot be read", hint="remove `blind`")
    if (board / "busy").exists():
        (board / "busy").unlink()
        raise TransientFailure("the board is busy")
    return read(board)


@action(subject="switch {switch}")
def turn(board: Path, switch: str, to: str) -> Effect:
    """Turn one switch. Repeating it changes nothing.

    A file `stuck-<switch>` makes it fail, `jammed-<switch>-<to>` only towards that position.

    Permissions: none
    """
    before = (board / switch).read_text()
    if before == to:
        return Effect(subject=switch, changed=False, after=to)
    if (board / f"stuck-{switch}").exists() or (board / f"jammed-{switch}-{to}").exists():
        raise StepFailed(f"{switch} is stuck")
    # Whole or not at all, and logged afterwards: a process that dies here has turned it once or never.
    (aside := board / f"{switch}.new").write_text(to)
    aside.replace(board / switch)
    with (board / "changes").open("a") as log:
        log.write(f"{switch}: {before} -> {to}\n")
    return Effect(subject=switch, changed=True, before=before, after=to)


def _judged(board: Path, wanted: Sequence[str] = ("good",)) -> Verification:
    if (board / "fog").exists():
        return Verification.of([Check(name="board", verdict=Verdict.INCONCLUSIVE, reason="fog")])
    return Verification.of(
        Check(
            name=name,
            verdict=Verdict.PASS if value in wanted and not (board / "dark").exists() else Verdict.FAIL,
            reason=f"is {value}",
        )
        for name, value in look(board).items()
    )


def _rung(
    board: Path, environment: Environment, name: str, to: str, destructiveness: Destructiveness, *, undo: bool
) -> Rung:
    def decide(_finding: Finding) -> Plan:
        if (board / f"no-{name}").exists():
            raise NoWayBack(f"{name} has nothing to go back to")
        seen = look(board)
        return Plan(
            scenario="switch-failure",
            environment=environment.name,
            rung=name,
            title=f"Turn the switches to {to} the {name} way",
            target=to,
            changes=tuple(Change(subject=s, before=seen[s], after=to) for s in SWITCHES if seen[s] != to),
            destructiveness=destructiveness,
        )

    def back(switch: str, to: str) -> Callable[[], Effect]:
        return lambda: turn(board, switch, to)

    def undone(_plan: Plan, before: Snapshot) -> Sequence[Callable[[], Effect]]:
        return [back(s, value) for s, value in before.items()] if undo else []

    return Rung(
        name=name,
        decide=decide,
        act=lambda plan: _turn_all(board, plan),
        verify=lambda _plan: _judged(board),
        undo=undone,
    )


def _turn_all(board: Path, plan: Plan) -> None:
    in_parallel([partial(turn, board, change.subject, change.after) for change in plan.changes])


@flow(name="switch-failure")
def recover(
    environment: Environment,
    board: Path,
    rehearse: bool = False,
    request: Request = Request(),  # noqa: B008 - it is frozen
    destructiveness: Destructiveness = Destructiveness.REVERSIBLE,
    to: str = "good",
    situation: Situation | None = None,
) -> Outcome:
    """Turn every switch; if the gentle way fails, the blunt one. Only `good` is healthy."""

    def detect() -> Finding:
        health = _judged(board)
        return Finding(
            health=health,
            severity=Severity.MEDIUM,
            summary=", ".join(health.reasons) or "all good",
            situation=situation,
        )

    gentle = _rung(board, environment, "gentle", to, destructiveness, undo=True)
    blunt = _rung(board, environment, "blunt", "good", destructiveness, undo=False)
    return handle(
        "switch-failure",
        environment,
        detect=detect,
        ladder=[gentle, blunt],
        rehearse=rehearse,
        request=request,
        budget_seconds=60,
    )
