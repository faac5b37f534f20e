"""Before a drill breaks anything: whose turn it is, whether it may begin, whether somebody would come."""

from __future__ import annotations

from datetime import datetime, timedelta

from blocks.environment import Environment
from blocks.platforms import LambdaPlatform
from blocks.settings import settings
from blocks.test_kit import KitPlatform
from flows import _stack_health, _watching
from flows._alarm_routes import load_configuration
from flows._drill_word import unasked_for
from flows._kit_health import kit_health
from flows._prefect_server import prefect_server
from flows._release_memory import release_history
from ledger import drills, levers
from ledger.cases import now
from ledger.database import open_ledger
from rules.alarms import Alarm, AlarmStatus
from rules.drill_permission import Circumstances, hindrances
from rules.drills import FAULT_KINDS, AllowedDrill, in_turn
from rules.errors import RecoveryRefused
from rules.freezes import frozen_by
from rules.health import AlarmState
from rules.outcomes import Verification
from rules.promises import PROMISES
from rules.rollback_targets import known_broken
from rules.triggers import AlarmRoutes, route
from tasks.alarms import alarm_states
from tasks.drill_faults import Wish
from tasks.standing_alarms import SNS


def chosen(environment: Environment, fault: str, scenario: str, emergency: bool) -> AllowedDrill:
    """The drill that was asked for, or whose turn it is.

    Raises:
        RecoveryRefused: the environment allows no such drill.
    """
    with open_ledger().reading() as session:
        last = drills.last_drilled(session, environment.name)
    return in_turn(environment.drills, last, fault=fault, scenario=scenario, emergency=emergency)


def refuse_hindered(
    environment: Environment, drill: AllowedDrill, requester: str, approver: str, at: datetime
) -> None:
    """Go on only where this drill may begin, here and now.

    Raises:
        RecoveryRefused: it may not; every reason at once. Nothing was changed.
    """
    ledger = open_ledger()
    with ledger.reading() as session:
        opened = drills.open_incident(session, environment.name)
        lever, other = levers.pulled(session, environment.name), drills.not_ended(session)
    freeze = frozen_by(environment.freeze_windows, at)
    found = hindrances(
        drill,
        environment.drills,
        Circumstances(
            tier=environment.tier,
            platform=environment.platform.kind,
            now=at,
            requester=requester,
            approver=approver,
            open_incident=opened,
            other_drill=other,
            freeze=f"it is frozen until {freeze.end:%Y-%m-%d %H:%M} UTC" if freeze else "",
            lever=f"the {lever.told}" if lever else "",
            firing=_firing(environment),
            nobody_comes=_nobody_comes(environment, drill),
        ),
    )
    if found:
        raise RecoveryRefused(
            f"The drill of {drill} may not begin in {environment.name}: {'; '.join(found)}.",
            hint="Nothing was changed. Settle that first, or wait for the window.",
        )


def _firing(environment: Environment) -> tuple[str, ...]:
    if not isinstance(environment.platform, LambdaPlatform):
        return ()
    return tuple(alarm.name for alarm in alarm_states(environment) if alarm.state is AlarmState.ALARM)


def _nobody_comes(environment: Environment, drill: AllowedDrill) -> str:
    """Why nobody would start the scenario; empty: an alarm would, or the drill itself."""
    if FAULT_KINDS[drill.fault].by_word:
        return unasked_for(drill.drills)
    with prefect_server() as client:
        if client is None:
            return "no Prefect server is known that could run the recovery"
    table = load_configuration(settings().alarm_routes)
    if _leads(environment, drill, table):
        return ""
    named = f"the alarm {drill.alarm} does not lead" if drill.alarm else "no alarm leads"
    return f"{named} to {drill.drills} in {environment.name}, as the routes file says"


def _leads(environment: Environment, drill: AllowedDrill, table: AlarmRoutes) -> bool:
    if not drill.alarm:
        return any((r.scenario, r.environment) == (drill.drills, environment.name) for r in table.routes)
    alarm = Alarm(
        source=SNS,
        external_id="drill",
        name=drill.alarm,
        status=AlarmStatus.ALARM,
        occurred_at=now(),
        account=environment.aws.account_id,
        region=environment.aws.region,
    )
    to = route(alarm, table).route
    return to is not None and (to.scenario, to.environment) == (drill.drills, environment.name)


def wish_for(environment: Environment, drill: AllowedDrill, number: str) -> Wish:
    """What the fault may need to know."""
    history = release_history(environment)
    return Wish(
        drill=number,
        alarm=drill.alarm,
        releases=tuple(dict.fromkeys(each.release for each in reversed(history))),
        broken=known_broken(history),
        queue=drill.queue,
        table=drill.table,
    )


def steady(environment: Environment, scenario: str) -> Verification:
    """Whether the environment serves as it should, by the checks that its recoveries begin with."""
    severity = PROMISES[scenario].severity
    if isinstance(environment.platform, LambdaPlatform):
        return _watching.detect(environment, severity).health
    if isinstance(environment.platform, KitPlatform):
        return kit_health(environment)
    return _stack_health.detect(environment, severity).health


def gives_up(at: datetime, minutes: int, promised_seconds: float) -> datetime:
    """When a drill that began at `at` stops, whatever has happened by then: later than a late recovery is one."""
    return at + timedelta(seconds=max(60.0 * minutes, 1.5 * promised_seconds))
