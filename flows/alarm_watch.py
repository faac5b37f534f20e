"""Alarm watch: what fires is asked for, so that a webhook that was lost costs a minute."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from blocks.settings import settings
from flows._alarm_routes import load_configuration
from flows._alarm_watching import watch_alarms
from flows._prefect_server import prefect_server
from flows._wording import several
from ledger.database import open_ledger
from rules.errors import RecoveryRefused, StepFailed
from rules.names import EnvironmentName
from rules.values import Frozen
from tasks.kinds import say


class Watched(Frozen):
    """What fires, how much of it was not known, and what was started."""

    firing: int
    new: int
    started: tuple[str, ...]


@flow(name="alarm-watch", flow_run_name="alarm-watch")
def alarm_watch(
    environment: Annotated[
        EnvironmentName | None,
        Field(title="Environment", description="Whose alarms are asked for; empty: all of the routes file."),
    ] = None,
) -> Watched:
    """Ask CloudWatch and Alertmanager what fires, and start what the routes say, where nothing has yet.

    The level-triggered twin of the webhooks: an alarm that was delivered as well starts nothing twice. Alarms that
    somebody muted, silenced or suppressed start nothing. `resume` does the same every minute.

    Raises:
        RecoveryRefused: the routes file is wrong, or no server is known that could run anything.
        StepFailed: one of the places could not be asked, or a run not asked for; the others were.
    """
    configuration = load_configuration(settings().alarm_routes)
    if environment and environment not in configuration.environments:
        raise RecoveryRefused(
            f"The routes file says nothing of {environment}.",
            hint=f"It knows: {', '.join(sorted(configuration.environments)) or 'none'}.",
        )
    with prefect_server() as client:
        if client is None:
            raise RecoveryRefused(
                "No Prefect server is known here that could run a recovery.", hint="Set PREFECT_API_URL."
            )
        looked = watch_alarms(client, open_ledger(), configuration, environment or "")
    for line in looked.started:
        say(f"Started {line}.")
    say(f"{several(looked.firing, 'alarm fires', 'alarms fire')}; not known before: {looked.new}.")
    if looked.problems:
        raise StepFailed(
            "Not every alarm could be looked at: " + " ".join(looked.problems),
            hint="The rest was looked at. Until that is mended, nothing there starts by an alarm: correct "
            f"`environments` and `senders` in {settings().alarm_routes}, or the credentials.",
        )
    return Watched(firing=looked.firing, new=looked.new, started=tuple(looked.started))
