"""A drill breaks the real thing, touches no recovery, always undoes, and grades by what it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto import mock_aws
from sqlalchemy import select

from blocks.environment import Environment
from blocks.settings import settings
from flows._drill_janitor import finish_drills
from flows._drill_page import Drilled, page
from flows.rollback_drill import REHEARSAL, rollback_drill
from ledger import leases, levers
from ledger.cases import now
from ledger.drill_rows import DrillRow
from ledger.holders import this_process
from ledger.incidents import Opening, close_case, decide_ending, open_case
from ledger.models import IncidentRow
from rules.errors import RecoveryRefused, StepFailed
from rules.outcomes import Effect, Ending, Verdict
from rules.severity import Tier
from tasks._function_code import give_code
from tasks.release_packages import Package
from tests.channels import kept_in, open_channel
from tests.flows.drill_world import NAME, ROUTES, SCENARIO, DrillWorld, time_is_over


@pytest.fixture
def world(prefect_server: str, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DrillWorld]:
    """A healthy service that may be drilled, and a server that could run its recovery."""
    routes = own_home / "routes.yaml"
    routes.write_text(yaml.safe_dump(ROUTES))
    (own_home / "environments").mkdir()
    for name, value in {
        "BACKSTOP_WEBHOOK_ROUTES": str(routes),
        "BACKSTOP_ENVIRONMENTS": str(own_home / "environments"),
        "BACKSTOP_DELAY_SCALE": "0.02",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    with mock_aws():
        made = DrillWorld.made()
        written = made.environment.model_dump(mode="json", exclude_none=True)
        (own_home / "environments" / f"{NAME}.yaml").write_text(yaml.safe_dump(written))
        yield made


def drill(world: DrillWorld, **told: Any) -> Drilled:
    """Drill what is next."""
    done: Drilled = rollback_drill.fn(world.environment, **told)
    return done


def test_a_recovery_that_keeps_its_promise_passes(world: DrillWorld) -> None:
    """The bad release was really live; the incident that came of it is named; nothing is left."""
    live: list[bool] = []

    def answer() -> None:
        live.append(world.runs("bad"))
        world.recover()

    with world.when_broken(answer):
        done = drill(world)

    [row] = world.rows()
    assert live == [True]
    assert world.runs("good")
    assert (done.grade, row.grade) == (Verdict.PASS, "pass"), done.reasons
    assert row.incident_id == done.incident != ""
    assert (row.undo, bool(row.undone_at), bool(row.ended_at)) == ("", True, True)
    told = page(row)
    assert told.startswith(f"## Passed: Canary failure in {NAME}\n\n- recovered in ")
    happened = ["began", "release", "opened by an alarm", "ended: recovered", "left to undo", "drill ended"]
    assert [what for what in happened if what in told] == sorted(happened, key=told.index) == happened
    assert "may still be there" not in told
    with world.ledger.reading() as session:
        assert leases.look(session, NAME, now())[1] == ""
    assert finish_drills() == []


@pytest.mark.parametrize(
    ("answer", "grade", "said"),
    [
        (lambda w: w.recover(release=""), Verdict.FAIL, "still there"),
        (lambda w: w.recover(release="", ending=Ending.NOT_RECOVERED), Verdict.FAIL, "not recovered"),
        (lambda w: w.recover(alarm=None), Verdict.INCONCLUSIVE, "by a person"),
        (lambda w: w.recover(scenario="stuck-alarm"), Verdict.INCONCLUSIVE, "beside the drill"),
        (time_is_over, Verdict.INCONCLUSIVE, "not over by"),
    ],
    ids=["says so only", "not recovered", "by hand", "another matter", "nobody comes"],
)
def test_whatever_happens_the_fault_is_undone_and_the_grade_says_why(
    world: DrillWorld, answer: Callable[[DrillWorld], object], grade: Verdict, said: str
) -> None:
    """The service has its release again, and the drill has an end with its reason."""
    with world.when_broken(lambda: answer(world)):
        done = drill(world)
    finish_drills()  # where another incident acted just then, the fault waits for the janitor

    assert world.runs("good")
    assert done.grade is grade, done.reasons
    assert said in "; ".join(done.reasons)
    [row] = world.rows()
    assert (row.grade, bool(row.undone_at)) == (grade.value, True)


def test_the_stop_lever_stops_a_drill_and_its_fault_goes(world: DrillWorld) -> None:
    """Pulled while the fault is there: the drill's own damage is taken back all the same."""

    def pull() -> None:
        with world.ledger.session() as session:
            levers.pull(session, NAME, "jane", "not now", now())

    with world.when_broken(pull):
        done = drill(world)

    assert world.runs("good")
    assert done.grade is Verdict.INCONCLUSIVE
    assert "jane" in done.reasons[0]


def test_what_a_recovery_has_put_right_otherwise_is_left_alone_and_fails(world: DrillWorld) -> None:
    """A recovery that chose another release than the one that was live: the undo does not take that back."""

    def answer() -> None:
        world.put_package("other")
        world.recover(release="other")

    with world.when_broken(answer):
        done = drill(world)

    assert world.runs("other")
    assert done.grade is Verdict.FAIL
    assert "not as it was before: code of practice-dashboard" in "; ".join(done.reasons)


def test_a_rehearsal_says_what_it_would_do_and_changes_nothing(world: DrillWorld) -> None:
    """No row, no lease, no other code."""
    done = drill(world, rehearse=True)

    assert (done.drill, done.grade) == (REHEARSAL, None)
    assert "a release that is known to be bad is live" in "; ".join(done.reasons)
    assert world.rows() == []
    assert world.runs("good")


def stopped(world: DrillWorld) -> Environment:
    """Somebody pulled the lever."""
    with world.ledger.session() as session:
        levers.pull(session, "all", "jane", "", now())
    return world.environment


def busy(world: DrillWorld) -> Environment:
    """An incident is open."""
    open_case(world.ledger, Opening(SCENARIO, NAME, "staging", 60), this_process(), 30)
    return world.environment


def not_allowed(world: DrillWorld) -> Environment:
    """The environment's file says nothing of drills."""
    return Environment.model_validate({**world.environment.model_dump(), "drills": {}})


def in_production(world: DrillWorld) -> Environment:
    """The same in production, whose policy does not say so."""
    return world.environment.model_copy(update={"tier": Tier.PRODUCTION})


def unheard(world: DrillWorld) -> Environment:
    """No alarm leads anywhere."""
    settings().alarm_routes.write_text(yaml.safe_dump({**ROUTES, "routes": []}))
    return world.environment


@pytest.mark.parametrize("hinder", [stopped, busy, not_allowed, in_production, unheard])
def test_a_drill_that_may_not_begin_changes_nothing(
    world: DrillWorld, hinder: Callable[[DrillWorld], Environment]
) -> None:
    """It is refused with its reason before anything is written or broken."""
    world.environment = hinder(world)

    with pytest.raises(RecoveryRefused) as refused:
        drill(world)

    assert refused.value.hint
    assert world.rows() == []
    assert world.runs("good")


def test_nothing_is_broken_where_it_is_not_well_or_no_bad_release_is_known(world: DrillWorld) -> None:
    """Both end as inconclusive, and the world is not touched."""
    world.forget_bad()
    without = drill(world)
    world.break_function()
    unwell = drill(world)

    assert [row.grade for row in world.rows()] == ["inconclusive"] * 2
    assert [row.intent_at for row in world.rows()] == [None, None]
    assert "no bad release" in without.reasons[0]
    assert "not well before" in unwell.reasons[0]


def test_a_fault_that_fails_half_way_is_undone_at_once(
    world: DrillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bad package is replaced while it is deployed: the function that had it already has the good one again."""

    def replaced(place: Environment, function: str, package: Package) -> Effect:
        done = give_code(place, function, package)
        if package.release == "bad":
            world.replace_package("dashboard", "bad")
        return done

    monkeypatch.setattr("tasks.drill_faults.broken_release.give_code", replaced)
    done = drill(world)

    assert world.runs("good")
    assert done.grade is Verdict.INCONCLUSIVE
    assert "not the one that was checked" in done.reasons[0]
    [row] = world.rows()
    assert row.injected_at is None
    assert "had the bad code still" in row.undo
    assert finish_drills() == []


def test_one_drill_that_cannot_be_looked_after_keeps_no_other_from_it(
    world: DrillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment's file is gone: the janitor says so, and finishes the others."""
    dead = this_process().model_copy(update={"pid": 2**22 - 1, "started": 1.0})
    with world.ledger.session() as session:
        for name in ("gone", NAME):
            row = DrillRow(
                id=f"drl-{name}", environment=name, tier="staging", scenario=SCENARIO, fault="broken-release",
                began_at=now(), gives_up_at=now(), promised_seconds=300, holder=dead.model_dump(),
            )  # fmt: skip
            session.add(row)

    with pytest.raises(StepFailed, match="drl-gone"):
        finish_drills()

    assert {row.id: row.grade for row in world.rows()} == {f"drl-{NAME}": "inconclusive", "drl-gone": None}


def test_a_failed_drill_of_a_critical_path_pages_once(
    world: DrillWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People hear that the recovery failed, and that it was a drill; told again they are not."""
    with open_channel() as channel:
        monkeypatch.setenv("NOTICES_URL", channel.address)
        world.environment = Environment.model_validate(
            {
                **world.environment.model_dump(),
                "escalation": {"notices": [kept_in("NOTICES_URL").model_dump()]},
            }
        )
        with world.when_broken(lambda: world.recover(release="", ending=Ending.NOT_RECOVERED)):
            drill(world)
        finish_drills()

        assert [title.endswith("the drill of canary-failure failed") for title in channel.titles] == [True]


def test_while_a_recovery_acts_the_fault_waits_for_the_janitor(world: DrillWorld) -> None:
    """A drill whose time is over does not undo into a recovery's hands; once that has ended, it is undone."""
    cases = []

    def begin() -> None:
        opening = Opening(SCENARIO, NAME, "staging", 300, alarm_id="alm-1")
        cases.append(open_case(world.ledger, opening, this_process(), 30))
        time_is_over(world)

    with world.when_broken(begin):
        done = drill(world)
    assert world.runs("bad")
    assert done.grade is Verdict.INCONCLUSIVE
    assert finish_drills() == []

    decide_ending(cases[0], Ending.NOT_RECOVERED, "as the test says", "")
    close_case(cases[0])

    assert ["undone" in line for line in finish_drills()] == [True]
    assert world.runs("good")
    assert finish_drills() == []


def test_a_new_drill_waits_for_the_end_of_the_last(world: DrillWorld) -> None:
    """Two at once could not be told apart; the incidents table is what it was."""

    def another() -> None:
        with pytest.raises(RecoveryRefused, match="has not ended"):
            drill(world)
        world.recover()

    with world.when_broken(another):
        drill(world)

    with world.ledger.reading() as session:
        assert len(session.scalars(select(IncidentRow)).all()) == 1
    assert len(world.rows()) == 1
