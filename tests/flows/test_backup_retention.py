"""Old backups go in two steps, with a reason each; what is needed stays or comes back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import yaml
from prefect.client.schemas.objects import State
from sqlalchemy import delete

from blocks.aws_account import AwsAccount
from blocks.docker_host import DockerHost
from blocks.environment import Environment
from blocks.settings import settings
from cli.main import app
from flows.backup_retention import Retained, backup_retention
from ledger import leases
from ledger.database import open_ledger
from ledger.holders import this_process
from ledger.models import IncidentRow
from rules.backups import MANIFEST, taken_at
from rules.errors import LeaseHeld, RecoveryRefused
from rules.retention import Fate, Proof
from sandbox.stack.environment import described
from sandbox.stack.stack import DockerStack
from tasks.backup_proofs import record_proof
from tasks.backup_stores import store_of
from tests.stored_backups import BUCKET, made_at, publish, stored_in

LAST, HALF_A_DAY = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=12)


@pytest.fixture
def stack_backups(docker_stack: DockerStack, tmp_path: Path) -> Environment:
    """The practice stack's environment with sixteen backups, the newest proven."""
    found = described(docker_stack)
    found["platform"]["backups"]["directory"] = str(tmp_path / "backups")
    found["tier"] = "staging"
    environment = Environment.model_validate(found)
    sixteen(environment)
    return environment


@pytest.fixture(params=["directory", "s3"])
def placeless(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Sixteen backups of a stack that is nowhere, once in a folder and once in a bucket."""
    monkeypatch.setattr("flows.backup_retention.refuse_other_place", lambda _environment: None)
    environment = stored_in(tmp_path)
    if request.param == "s3":
        monkeypatch.setattr(
            "tasks.backup_keeping._LANES", 1
        )  # the stand-in's lists break while others delete
        account: AwsAccount = request.getfixturevalue("backup_account")
        backups = environment.docker_stack.backups
        kept = backups.model_copy(update={"kind": "s3", "directory": None, "bucket": BUCKET})
        platform = environment.docker_stack.model_copy(update={"backups": kept})
        environment = environment.model_copy(update={"platform": platform, "account": account})
    sixteen(environment)
    return environment


def backup(number: int) -> str:
    """The backup that was made so many times twelve hours before the last."""
    return made_at(LAST - number * HALF_A_DAY).id


def numbers(names: list[str]) -> list[int]:
    """Which ones these are, counted back from the last."""
    return [(LAST - taken_at(name)) // HALF_A_DAY for name in names]


def sixteen(environment: Environment) -> None:
    """One every twelve hours; the last but one is critical, the newest proven."""
    for number in range(16):
        moment = LAST - number * HALF_A_DAY
        publish(store_of(environment), made_at(moment, critical=number == 14))
    record_proof.fn(environment, backup(0), Proof.PROVEN)


def open_incident(environment: Environment, backup: str) -> None:
    """An incident that names a backup; nobody acts in it just now."""
    with open_ledger().session() as session:
        session.add(
            IncidentRow(
                id="stack-1",
                scenario="stack-rollback",
                environment=environment.name,
                tier=environment.tier.value,
                opened_at=LAST,
                parameters={"backup": backup},
            )
        )


def close_incidents() -> None:
    """As if none had ever been."""
    with open_ledger().session() as session:
        session.execute(delete(IncidentRow))


def reasons(done: Retained) -> dict[str, str]:
    """Why, by the backup's name."""
    return {each.id: each.reason for each in done.decisions}


def test_they_go_in_two_steps(placeless: Environment) -> None:
    """Older than three days: first the trash, then for good; a critical one stays, and one that an incident names."""
    store = store_of(placeless)
    open_incident(placeless, backup(8))

    first: Retained = backup_retention.fn(placeless)
    assert numbers(store.ids()) == [0, 1, 2, 3, 4, 5, 6, 8, 14]
    assert numbers(store.trash()) == [7, 9, 10, 11, 12, 13, 15]
    assert (first.put_away, first.taken_back, first.deleted) == (7, 0, 0)
    assert reasons(first)[backup(8)] == "the open incident stack-1"

    close_incidents()
    open_incident(placeless, backup(11))
    second: Retained = backup_retention.fn(placeless)
    assert numbers(store.ids()) == [0, 1, 2, 3, 4, 5, 6, 11, 14]
    assert numbers(store.trash()) == [7, 8]
    assert (second.put_away, second.taken_back, second.deleted) == (1, 1, 5)

    publish(store, made_at(LAST + HALF_A_DAY))
    third: Retained = backup_retention.fn(placeless)
    assert (numbers(store.trash()), third.put_away, third.deleted) == ([6, 7], 1, 1)


def test_a_rehearsal_changes_nothing(placeless: Environment) -> None:
    """It says of every backup what would become of it and why, also while an incident acts."""
    hold(placeless)

    told: Retained = backup_retention.fn(placeless, rehearse=True)

    store = store_of(placeless)
    assert (len(store.ids()), store.trash()) == (16, [])
    assert [each.fate for each in told.decisions if each.fate is Fate.TRASH] == [Fate.TRASH] * 8
    assert all(each.reason for each in told.decisions)
    assert len(told.decisions) == 16


def test_one_whose_manifest_cannot_be_read_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was critical nobody can say: a person looks at it."""
    monkeypatch.setattr("flows.backup_retention.refuse_other_place", lambda _environment: None)
    environment = stored_in(tmp_path)
    sixteen(environment)
    damaged = tmp_path / environment.name / backup(8) / MANIFEST
    damaged.chmod(0o600)
    damaged.write_text("{")

    told: Retained = backup_retention.fn(environment)

    assert reasons(told)[backup(8)] == ("its manifest cannot be read: look at it")
    assert backup(8) in store_of(environment).ids()


def hold(environment: Environment) -> None:
    """Let an incident act on the environment."""
    with open_ledger().session() as session:
        leases.acquire(session, environment.name, "stack-1", this_process("the tests"), datetime.now(UTC), 60)


def test_nothing_goes_while_an_incident_acts(placeless: Environment) -> None:
    """It may choose any of them: a run by hand is refused."""
    hold(placeless)

    with pytest.raises(LeaseHeld, match=r"No backup was let go: stack-1 is changing masking"):
        backup_retention.fn(placeless)

    assert (len(store_of(placeless).ids()), store_of(placeless).trash()) == (16, [])


def test_an_incident_that_begins_meanwhile_is_noticed(
    placeless: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the decision and the first change a recovery begins: nothing is changed any more."""
    from tasks import backup_keeping

    def look(environment: Environment) -> dict[str, str]:
        hold(environment)
        return {}

    monkeypatch.setattr(backup_keeping.needed_backups, "fn", look)

    with pytest.raises(LeaseHeld):
        backup_retention.fn(placeless)

    assert store_of(placeless).trash() == []


@pytest.mark.real
@pytest.mark.slow
def test_by_the_clock_it_is_skipped_while_an_incident_acts(
    stack_backups: Environment, prefect_server: str
) -> None:
    """A scheduled run says so and is done; the next one lets go."""
    hold(stack_backups)

    skipped = cast("State[object]", backup_retention(stack_backups, return_state=True))

    assert (skipped.type.value, skipped.name) == ("COMPLETED", "Skipped")
    with open_ledger().session() as session:
        leases.release(session, stack_backups.name, 1)
    done = cast("Retained", backup_retention(stack_backups))
    assert (done.put_away, numbers(store_of(stack_backups).trash())) == (8, [7, 8, 9, 10, 11, 12, 13, 15])


@pytest.mark.real
@pytest.mark.slow
def test_another_engine_is_refused(stack_backups: Environment) -> None:
    """One clear error, and nothing goes: this may be another stack's host."""
    host = DockerHost(address=stack_backups.docker_stack.host.address, engine_id="ANOTHER1")
    platform = stack_backups.docker_stack.model_copy(update={"host": host})

    with pytest.raises(RecoveryRefused, match="engine that answers is"):
        backup_retention.fn(stack_backups.model_copy(update={"platform": platform}))

    assert store_of(stack_backups).trash() == []


@pytest.mark.real
@pytest.mark.slow
def test_the_commands_let_go_list_and_take_back(
    stack_backups: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`backstop retention`, then `backstop backup --list` shows proofs and the trash, and `--take-back` helps."""
    folder = tmp_path / "environments"
    folder.mkdir()
    told = stack_backups.model_dump(mode="json", exclude_none=True)
    (folder / "masking.yaml").write_text(yaml.safe_dump(told))
    monkeypatch.setenv("BACKSTOP_ENVIRONMENTS", str(folder))
    settings.cache_clear()

    def said() -> object:
        return json.loads(capsys.readouterr().out)

    assert app(["retention", "-e", "masking", "--rehearse", "--json"]) == 0
    rehearsed = cast("dict[str, object]", said())
    assert app(["retention", "-e", "masking", "--json"]) == 0
    assert cast("dict[str, object]", said()) == {**rehearsed, "rehearsed": False, "put_away": 8}
    assert app(["backup", "-e", "masking", "--take-back", backup(9)]) == 0
    assert "is back" in capsys.readouterr().out
    with pytest.raises(RecoveryRefused, match="in the trash"):
        app(["backup", "-e", "masking", "--take-back", backup(9)])
    assert app(["backup", "-e", "masking", "--list", "--json"]) == 0

    listed = cast("list[dict[str, object]]", said())
    assert [each["proof"] for each in listed] == ["proven", *["untested"] * 15]
    assert [number for number, each in enumerate(listed) if each["in_trash"]] == [7, 8, 10, 11, 12, 13, 15]
