"""Resume: every minute somebody looks whether anything was left lying, and takes it up."""

from __future__ import annotations

from collections.abc import Callable

from prefect import flow

from blocks.settings import settings
from flows._alarm_routes import load_configuration
from flows._alarm_watching import watch_alarms
from flows._drill_janitor import finish_drills
from flows._prefect_server import prefect_server
from flows._stuck_runs import mend_stuck_runs
from flows._takeups import care_for_orphans, page_what_is_due
from ledger.cases import now
from ledger.database import open_ledger
from rules.errors import BackstopError, RecoveryRefused, StepFailed
from rules.values import Frozen
from tasks.kinds import say


class Resumed(Frozen):
    """What was left lying and taken up, a line each. Empty: nothing was."""

    done: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@flow(name="resume", flow_run_name="resume")
def resume() -> Resumed:
    """Take up what was left lying: dead incidents, pages nobody sent, stuck runs, lost alarms, faults of dead drills.

    An open incident whose run is dead is started again, which resumes it; where that cannot be, its first level is
    paged. A level that is due and that no run pages is paged. Runs that hang in Pending, Submitting or Cancelling are
    brought to a state that is true. What fires and is not known is started, as `alarm-watch` does. The fault of a drill
    that died is undone. Where nothing was left lying, it looks and changes nothing.

    Raises:
        RecoveryRefused: no server is known that could run anything.
        StepFailed: a part of the look failed; the others were done.
    """
    done: list[str] = []
    failed: list[str] = []
    with prefect_server() as client:
        if client is None:
            raise RecoveryRefused(
                "No Prefect server is known here that could run a recovery.", hint="Set PREFECT_API_URL."
            )
        ledger = open_ledger()

        def alarms() -> list[str]:
            looked = watch_alarms(client, ledger, load_configuration(settings().alarm_routes))
            problems.extend(looked.problems)
            return [f"started {each}" for each in looked.started]

        problems: list[str] = []
        parts: dict[str, Callable[[], list[str]]] = {
            "orphaned incidents": lambda: care_for_orphans(client, ledger),
            "due pages": lambda: page_what_is_due(client, ledger),
            "stuck runs": lambda: mend_stuck_runs(client, now()),
            "alarms": alarms,
            "drills": finish_drills,
        }
        for name, part in parts.items():
            try:
                done += part()
            except BackstopError as error:
                failed.append(f"{name}: {error.message}")
            except Exception as error:  # noqa: BLE001 - one part must not keep the others from being done
                failed.append(f"{name}: {type(error).__name__}")
    for line in done:
        say(f"{line[0].upper()}{line[1:]}.")
    for problem in (*problems, *failed):
        say(f"Not looked at: {problem}")
    if failed:
        raise StepFailed(
            "Not everything could be looked at: " + "; ".join(failed), hint="The rest was; see the run's log."
        )
    return Resumed(done=tuple(done), problems=tuple(problems))
