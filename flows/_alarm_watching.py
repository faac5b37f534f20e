"""The level-triggered twin of the webhooks: what fires is asked for, kept, placed and started like a delivery.

An alarm that was delivered too joins the same episode, whichever way it came first: both ways place it in the ledger
under the environment's lease, and ask for its run with the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from flows._alarm_intake import routed
from flows._alarm_routes import Configuration
from flows._environments import environment_named
from flows._run_requests import ask_for_run
from ledger import alarms, episodes
from ledger.alarms import Pair
from ledger.cases import now
from ledger.database import Ledger
from ledger.episodes import Asked
from rules.alarms import Alarm
from rules.errors import BackstopError, RecoveryRefused
from rules.escalation import Message
from rules.triggers import Place, Placement, Standing, correlate
from tasks.announcements import announce
from tasks.kinds import in_parallel
from tasks.notices import Mood
from tasks.standing_alarms import firing_in_alertmanager, firing_in_cloudwatch

SETTLING = timedelta(seconds=3)
"""A run this young is not asked about: it is about to open its incident."""


@dataclass(slots=True)
class Looked:
    """What one look at the alarms found and started."""

    firing: int = 0
    new: int = 0
    started: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def watch_alarms(
    client: SyncPrefectClient, ledger: Ledger, configuration: Configuration, only: str = ""
) -> Looked:
    """Look at every place that raises alarms, keep what is new, and start what waits for its run.

    A place that cannot be asked is a problem of its own: the others are looked at all the same. `only` names the one
    environment whose place is asked; what waits is started for all.
    """
    looked = Looked()
    firing = _firing(configuration, only, looked)
    looked.problems.sort()  # they came at the same time
    looked.firing = len(firing)
    looked.new = _keep(ledger, configuration, firing)
    with ledger.reading() as session:
        waiting = alarms.waiting(session)
    for pair in waiting:
        try:
            looked.started += _start(client, ledger, configuration, pair)
        except BackstopError as error:
            looked.problems.append(f"{pair.scenario} in {pair.environment}: {error.message}")
    return looked


def _firing(configuration: Configuration, only: str, looked: Looked) -> list[Alarm]:
    asked: dict[Place, str] = {}  # two environments in one account and region: one question
    for name, place in configuration.environments.items():
        if place.account and only in ("", name):
            asked.setdefault(place, name)
    calls: list[Callable[[], Sequence[Alarm]]] = [
        partial(_in_cloudwatch, name, place) for place, name in asked.items()
    ]
    calls += [
        partial(firing_in_alertmanager, source, sender.ask, sender.ask_token)
        for source, sender in configuration.senders.items()
        if sender.ask
    ]

    def guarded(call: Callable[[], Sequence[Alarm]]) -> Sequence[Alarm]:
        try:
            return call()
        except BackstopError as error:
            looked.problems.append(error.message)
            return ()

    return [alarm for found in in_parallel([partial(guarded, call) for call in calls]) for alarm in found]


def _in_cloudwatch(name: str, place: Place) -> Sequence[Alarm]:
    environment = environment_named(name)
    account = environment.account
    if account is None or (account.account_id, account.region) != (place.account, place.region):
        here = f"the account {account.account_id} in {account.region}" if account else "no account"
        raise RecoveryRefused(
            f"{name} is in {here}, and the routes file says the account {place.account} in {place.region}.",
            hint="Bring the two into agreement: until then none of its alarms starts anything.",
        )
    found: Sequence[Alarm] = firing_in_cloudwatch(environment)
    return found


def _keep(ledger: Ledger, configuration: Configuration, firing: Sequence[Alarm]) -> int:
    """Keep those that lead somewhere and are not kept yet. Nobody delivered the others to us: they are left alone."""
    new = [
        replace(kept, body=kept.body | {alarms.ASKED_FOR: True})
        for alarm in firing
        if (kept := routed(alarm, configuration, now())).state == "stored"
    ]
    if not new:
        return 0
    with ledger.reading() as session:
        there = {
            (source, one)
            for source in {alarm.source for alarm in new}
            for one in alarms.delivered(
                session, source, [alarm.external_id for alarm in new if alarm.source == source]
            )
        }
    new = [alarm for alarm in new if (alarm.source, alarm.external_id) not in there]
    return len(alarms.store(ledger, new)) if new else 0


def _start(client: SyncPrefectClient, ledger: Ledger, configuration: Configuration, pair: Pair) -> list[str]:
    cooldown = timedelta(seconds=configuration.cooldown_seconds)

    def judge(alarm: str, at: datetime, matter: str, standing: Standing) -> Placement | None:
        return correlate(alarm, at, pair.scenario, pair.environment, standing, cooldown, matter)

    over = _runs_over(client, ledger, pair)
    asked = episodes.place(ledger, pair, now(), judge, runs_over=over)
    return [told for one in asked if (told := _ask(client, ledger, pair, one))]


def _runs_over(client: SyncPrefectClient, ledger: Ledger, pair: Pair) -> frozenset[str]:
    """The run this pair waits for, if it is over: alarms must not join a run that is dead."""
    with ledger.reading() as session:
        awaited = episodes.standing(session, pair, now())[1]
    if awaited is None or now() - awaited.dispatched_at < SETTLING:
        return frozenset()
    try:
        state = client.read_flow_run(UUID(awaited.flow_run_id)).state
    except (ObjectNotFound, ValueError):
        return frozenset({awaited.flow_run_id})
    return frozenset({awaited.flow_run_id} if state and state.is_final() else ())


def _ask(client: SyncPrefectClient, ledger: Ledger, pair: Pair, asked: Asked) -> str:
    """Ask for one episode's run; what was started, or nothing where it was refused and people were told."""
    try:
        run = ask_for_run(
            client, pair.scenario, pair.environment, asked.run_parameters, asked.key, ("alarm",)
        )
    except RecoveryRefused as error:
        if alarms.mark_failed(ledger, asked.key, error.message):  # else the receiver has, and has told people
            _tell(pair, asked, error)
        return ""
    alarms.mark_dispatched(ledger, asked.key, str(run.id), now())
    return f"{pair.scenario} in {pair.environment}: run {run.name} for {asked.name}"


def _tell(pair: Pair, asked: Asked, error: BackstopError) -> None:
    message = Message(
        title=f"{pair.environment}: {pair.scenario} is not started",
        condition=f"The alarm {asked.name} fires. {error.message}",
        actions=("Nothing was started.",),
        needs=f"Start it by hand: `backstop recover {pair.scenario} --environment {pair.environment}`.",
    )
    announce(environment_named(pair.environment), asked.key, message, Mood.FAILURE)
