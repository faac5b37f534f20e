"""Record release: called by deploy pipelines after a deployment, so that there is something to return to."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from prefect import flow
from prefect.context import FlowRunContext
from prefect.states import Failed
from pydantic import StringConstraints

from blocks.environment import Environment
from flows._place import refuse_other_place
from flows._prefect_server import prefect_server
from flows._release_memory import record
from flows._run_requests import ask_for_run
from flows._watching import Wanted, watch
from ledger.cases import now
from rules.errors import StepFailed
from rules.names import ReleaseName, release_name
from rules.outcomes import Check, Verdict, Verification
from rules.values import Frozen
from tasks.kinds import in_parallel, say
from tasks.release_packages import package_of
from tasks.repositories import commit_of
from tasks.terraform_runs import make_ready

ShortText = Annotated[str, StringConstraints(max_length=500)]
Name = Annotated[str, StringConstraints(max_length=80)]


class Recorded(Frozen):
    """What was written to the ledger of a release."""

    environment: str
    release: str
    verdict: Verdict
    verification: Verification


@flow(name="record-release", flow_run_name="record {release} in {environment.name}")
def record_release(
    environment: Environment,
    release: ReleaseName,
    mark_bad: bool = False,
    reason: ShortText = "",
    recorded_by: Name = "",
) -> Recorded:
    """Prove the release that was just deployed, and remember it as good or bad.

    It is watched exactly as after a recovery: the code that callers get is that of its packages, Terraform finds
    neither changes nor drift, its endpoints answer well several times in a row, its alarms stay clear for a while.
    Only a release that passed can be returned to. The run fails when it did not pass: let it end the pipeline.

    Args:
        environment: Where it was deployed.
        release: The commit or version that was deployed.
        mark_bad: Never return to it, whatever its checks say; nothing is watched.
        reason: For the ledger.
        recorded_by: The person or pipeline that says so.
    """
    name = release_name(release)
    refuse_other_place(environment)
    functions = [function.name for function in environment.lambda_platform.functions]
    packages = in_parallel([partial(package_of, environment, function, name) for function in functions])
    code = {package.function: package.sha256 for package in packages}
    if mark_bad:
        told = Check(name="marked by hand", verdict=Verdict.FAIL, reason=reason or "no reason given")
        verification = Verification.of([told])
    else:
        commit = commit_of(environment.lambda_platform.terraform, name)
        verification = watch(environment, Wanted(name, code, commit))
        if verification.verdict is Verdict.PASS:
            _make_ready(environment, name, commit)
    record(
        environment, name, verification.verdict, code, recorded_by, reason or "; ".join(verification.reasons)
    )
    look_anew(environment, name)
    say(f"Release {name} is recorded in {environment.name}: {verification.verdict.value}.")
    recorded = Recorded(
        environment=environment.name, release=name, verdict=verification.verdict, verification=verification
    )
    return recorded if mark_bad else _shown(recorded)


def look_anew(environment: Environment, release: str) -> None:
    """Ask the server, where there is one, to look anew whether recoveries would work: the target may be another now."""
    try:
        with prefect_server(retries=1) as client:
            if client is not None:
                key = f"readiness after {release} in {environment.name} at {now():%Y-%m-%dT%H:%M}"
                ask_for_run(client, "readiness", environment.name, {}, key, ("after-release",))
    except Exception as error:  # noqa: BLE001 - the release is recorded; the schedule looks in half an hour
        say(f"Readiness is looked at by its schedule: {type(error).__name__}.")


def _make_ready(environment: Environment, release: str, commit: str) -> None:
    """Spare the next recovery the check-out and the initialising; a proven release is one without it, too."""
    try:
        make_ready(environment, release, commit)
    except (StepFailed, OSError) as error:
        say(f"Release {release} could not be made ready on this host: {error}")


def _shown(recorded: Recorded) -> Any:
    """In a flow run a release that is not proven is a failed run, so that the pipeline stops."""
    if recorded.verdict is Verdict.PASS or FlowRunContext.get() is None:
        return recorded
    told = f"{recorded.release} is not proven: {'; '.join(recorded.verification.reasons)}"
    return Failed(name="Not proven", message=told)
