"""Readiness: would a recovery work now? Asked before anybody needs one."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.context import FlowRunContext
from pydantic import AwareDatetime, Field

from blocks.environment import Environment
from flows._environments import known_environments
from flows._readiness_looks import look_at
from ledger import readiness as memory
from ledger.cases import now
from ledger.database import open_ledger
from ledger.models import ReadinessRow
from rules.escalation import Message
from rules.readiness import SAID_ONLY, Seen, Standing, State, judge, scenarios_of, wanted
from rules.values import Frozen
from tasks.announcements import announce
from tasks.kinds import in_parallel, say


class Line(Frozen):
    """One scenario in one environment: would it work, since when is it so, what to do."""

    environment: str
    scenario: str
    state: State
    since: AwareDatetime
    reasons: tuple[str, ...]
    todo: tuple[str, ...]


class Readiness(Frozen):
    """Every line, and what was seen of each precondition, by environment."""

    lines: tuple[Line, ...]
    seen: dict[str, dict[str, Seen]]

    @property
    def all_ready(self) -> bool:
        """Whether every scenario would work; what is unknown is not ready."""
        return all(line.state is State.READY for line in self.lines)


@flow(name="readiness", flow_run_name="readiness")
def readiness(
    environment: Annotated[
        Environment | None,
        Field(title="Environment", description="Which one; empty: every one that is registered."),
    ] = None,
) -> Readiness:
    """Look whether each scenario would work right now, and tell people once of one that would not.

    Where to go back to and its packages, credentials, permissions and how long they last, Terraform's state and lock,
    the engine, the newest backup and its proof, the channels, the disk. Nothing of it is changed; what cannot be looked
    at is unknown, and unknown is never shown as ready.

    Source: runbook 001 «Rollback Checklist», 004 «Pre-Rollback Checklist».

    Args:
        environment: Which one; empty: every one that is registered.
    """
    places = [environment] if environment else known_environments()
    looks = in_parallel([partial(_seen, place) for place in places])
    seen = {place.name: found for place, found in zip(places, looks, strict=True)}
    lines: list[Line] = []
    for place in places:
        scenarios = _scenarios(place)
        standings = [judge(place.name, scenario, seen[place.name]) for scenario in scenarios]
        lines += _kept(place, standings)
    done = Readiness(lines=tuple(lines), seen=seen)
    _show(done)
    return done


def _scenarios(environment: Environment) -> list[str]:
    return scenarios_of(environment.platform.kind, with_repository=environment.github is not None)


def _seen(environment: Environment) -> dict[str, Seen]:
    return look_at(environment, wanted(_scenarios(environment)) | SAID_ONLY)


def _kept(environment: Environment, standings: list[Standing]) -> list[Line]:
    """Remember how things stand, and tell once what is not ready."""
    ledger, at = open_ledger(), now()
    with ledger.session("readiness") as session:
        memory.forget_others(session, environment.name, [each.scenario for each in standings])
        untold = memory.keep(session, standings, at)
        since = {
            row.scenario: row.since for row in memory.listed(session) if row.environment == environment.name
        }
    if untold and _told(environment, untold):
        with ledger.session("readiness was told") as session:
            memory.mark_told(session, untold, at)
    return [
        Line(
            environment=each.environment,
            scenario=each.scenario,
            state=each.state,
            since=since[each.scenario],
            reasons=each.reasons,
            todo=each.todo,
        )
        for each in standings
    ]


def _told(environment: Environment, rows: list[ReadinessRow]) -> bool:
    """Tell people. True: somebody was told, or there is nobody to tell; else it is tried again the next time."""
    path = environment.escalation
    if not path.notices and not (path.levels and path.levels[0].channels):
        return True
    reasons = dict.fromkeys(reason for row in rows for reason in row.reasons["reasons"])
    todo = dict.fromkeys(each for row in rows for each in row.reasons["todo"])
    message = Message(
        title=f"{environment.name}: a recovery would not work now",
        condition="; ".join(reasons) + ".",
        actions=tuple(f"not ready: {row.scenario}" for row in rows),
        needs=" ".join(todo) or "Look at `backstop readiness`.",
    )
    return announce(environment, f"readiness/{environment.name}/{rows[0].since:%Y%m%dT%H%M%S}", message) > 0


def _show(done: Readiness) -> None:
    for line in done.lines:
        why = f": {'; '.join(line.reasons)}" if line.reasons else ""
        say(f"{line.state.value}  {line.environment}  {line.scenario}{why}")
    if FlowRunContext.get() is None:
        return
    rows: list[list[Any]] = [["environment", "scenario", "state", "since (UTC)", "why", "what to do"]]
    rows += [
        [
            line.environment,
            line.scenario,
            line.state.value,
            f"{line.since:%Y-%m-%d %H:%M}",
            "; ".join(line.reasons),
            " ".join(line.todo),
        ]
        for line in done.lines
    ]
    create_table_artifact(table=rows, key="readiness", description="Would a recovery work now?")
