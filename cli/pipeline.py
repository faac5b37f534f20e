"""What a deploy pipeline does after a deployment: have the release proven, and remembered as good."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rules.errors import StepFailed

if TYPE_CHECKING:
    from cli.prefect_api import PrefectApi

DEPLOYMENT = "record-release/record-release"
LOOK_SECONDS = 0.2
SHOWN = 7
"""Letters of a commit that people are shown."""


def short(release: str) -> str:
    """A commit as people say it; a version stays as it is."""
    return release[:SHOWN] if len(release) == 40 else release


def prove_here(environment: str, release: str, folder: Path, by: str = "pipeline") -> str:
    """Prove a release in this process; what was seen, in a few words. `folder` holds the environment files.

    Raises:
        StepFailed: it is not proven.
    """
    from deployments.environments import load_environment
    from flows.record_release import record_release

    recorded = record_release.fn(load_environment(environment, folder), release, recorded_by=by)
    if recorded.verdict.value != "pass":
        raise _not_proven(release, "; ".join(recorded.verification.reasons))
    return f"{len(recorded.verification.checks)} checks pass"


def prove_there(api: PrefectApi, environment: str, release: str, by: str = "pipeline") -> str:
    """Prove a release through the server, as a pipeline elsewhere would; what was seen, in a few words.

    Raises:
        StepFailed: it is not proven.
    """
    asked = {"environment": api.environment(environment), "release": release, "recorded_by": by}
    run = api.start_run(api.deployment(DEPLOYMENT), asked, f"record {short(release)} in {environment}")
    while not (state := api.state(run)).is_over:
        time.sleep(LOOK_SECONDS)
    if state.type != "COMPLETED":
        raise _not_proven(release, f"{state.name}: {state.message}")
    return "every check passes"


def _not_proven(release: str, why: str) -> StepFailed:
    return StepFailed(
        f"Release {short(release)} is not proven good: {why}.", hint="Look at the run in the Prefect UI."
    )
