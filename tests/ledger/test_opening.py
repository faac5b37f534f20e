"""Opening a ledger: created, migrated, shared, refused."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy import event, select, text

from ledger.database import HEAD, Ledger, forget_opened, open_ledger
from ledger.holders import this_process
from ledger.incidents import open_case
from ledger.models import IncidentRow, LeaseRow
from rules.errors import RecoveryRefused
from tests.crash.sweep import forkserver
from tests.ledger.samples import dead, opened, opening

NOBODY = 65534


def test_opening_creates_every_table(ledger: Ledger) -> None:
    """An empty database has every table of the models after opening, at the newest migration."""
    with ledger.reading() as session:
        assert session.execute(text("select version_num from alembic_version")).scalar() == HEAD
        for table in IncidentRow.metadata.sorted_tables:
            assert session.execute(select(table).limit(1)).all() == []


def test_opening_again_keeps_what_was_written(ledger: Ledger, ledger_url: str) -> None:
    """A ledger that is opened a second time still has its incidents."""
    incident = opened(ledger).incident_id
    forget_opened()

    again = open_ledger(ledger_url)

    assert again is not ledger
    with again.reading() as session:
        assert session.get_one(IncidentRow, incident).scenario == "canary-failure"
    again.close()


def open_and_write(url: str, number: int, told: Connection) -> None:
    """In a process of its own: open the ledger at once with the others, write, and tell."""
    try:
        ledger = open_ledger(url)
        open_case(ledger, opening(environment=f"place-{number}"), this_process(), 30)
        told.send("written")
    except BaseException as error:  # noqa: BLE001 - told to the test
        told.send(repr(error))


def test_several_processes_open_a_new_ledger_at_once(ledger_url: str) -> None:
    """Of six processes that find an empty database in the same moment, all end up with a working ledger."""
    context = forkserver()
    pipes = [context.Pipe(duplex=False) for _ in range(6)]
    children = [
        context.Process(target=open_and_write, args=(ledger_url, number, pipe[1]))
        for number, pipe in enumerate(pipes)
    ]
    for child in children:
        child.start()
    answers = [pipe[0].recv() for pipe in pipes]
    for child in children:
        child.join(30)

    assert answers == ["written"] * 6
    with open_ledger(ledger_url).reading() as session:
        assert len(session.scalars(select(IncidentRow)).all()) == 6


def test_a_newer_ledger_is_refused(ledger: Ledger, ledger_url: str) -> None:
    """A ledger that a newer Backstop has migrated is not touched; the hint says what to install."""
    with ledger.session() as session:
        session.execute(text("update alembic_version set version_num = '9999'"))
    forget_opened()

    with pytest.raises(RecoveryRefused, match="9999") as refused:
        open_ledger(ledger_url)

    assert "newer Backstop" in refused.value.hint
    with ledger.reading() as session:
        assert session.execute(text("select version_num from alembic_version")).scalar() == "9999"


def test_a_password_is_not_told(tmp_path: Path) -> None:
    """An error about a database that cannot be reached does not tell its password."""
    with pytest.raises(RecoveryRefused) as refused:
        open_ledger("postgresql+psycopg://ann:hunter2hunter2@127.0.0.1:1/ledger?connect_timeout=1")

    assert "hunter2hunter2" not in str(refused.value)
    assert "BACKSTOP_LEDGER_URL" in refused.value.hint


@pytest.mark.parametrize("url", ["nonsense", "mysql+nodriver://x/y", "postgresql+psycopg://:abc:def/x:y"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """A misspelt ledger URL is one clear refusal, not a traceback."""
    with pytest.raises(RecoveryRefused) as refused:
        open_ledger(url)

    assert "BACKSTOP_LEDGER_URL" in refused.value.hint


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    """Where the ledger's file should be lies a folder: refused with the path."""
    (tmp_path / "ledger.db").mkdir()

    with pytest.raises(RecoveryRefused, match=r"ledger\.db"):
        open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    """A file of something else is refused and left as it is."""
    (tmp_path / "ledger.db").write_text("minutes of the meeting\n" * 100)

    with pytest.raises(RecoveryRefused):
        open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")

    assert (tmp_path / "ledger.db").read_text().startswith("minutes of the meeting")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other users may enter."""
    with tempfile.TemporaryDirectory(prefix="backstop-ledger-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
        path.chmod(0o755)


def write_as_nobody(url: str, told: Connection) -> None:
    """In a process of its own, without root's right to write everywhere."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    try:
        opened(open_ledger(url))
    except BaseException as error:  # noqa: BLE001 - told to the test
        told.send((type(error).__name__, str(error)))
    else:
        told.send(("", ""))


def test_a_read_only_ledger_refuses_and_is_unchanged(folder: Path) -> None:
    """Who may read the ledger but not write it is refused before anything is changed, with a hint."""
    path = folder / "ledger.db"
    ledger = open_ledger(f"sqlite:///{path}")
    ledger.close()
    path.chmod(0o444)
    folder.chmod(0o555)
    before = path.read_bytes()
    context = forkserver()
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=write_as_nobody, args=(f"sqlite:///{path}", send))
    child.start()
    name, message = receive.recv()
    child.join(30)

    assert name == "RecoveryRefused"
    assert "readonly" in message.replace("-", "").replace(" ", "") or "unable to open" in message
    assert "Check the path, its permissions" in message
    assert path.read_bytes() == before


def test_a_ledger_opened_read_only_refuses_to_record(tmp_path: Path) -> None:
    """A URL that says mode=ro can be read, and refuses every record."""
    path = tmp_path / "ledger.db"
    incident = opened(open_ledger(f"sqlite:///{path}"), dead()).incident_id
    url = f"sqlite:///file:{path}?mode=ro&uri=true"

    ledger = open_ledger(url)

    with ledger.reading() as session:
        assert session.get(IncidentRow, incident)
    with pytest.raises(RecoveryRefused, match="readonly"):
        opened(ledger)
    assert not Path("file:").exists()


def test_a_full_ledger_refuses_and_is_unchanged(tmp_path: Path) -> None:
    """A ledger with no room left refuses to open an incident, and keeps what it had."""
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.close()
    large = replace(opening(), reason="because " * 100_000)

    @event.listens_for(ledger.engine, "connect")
    def fill(connection: object, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]  # SQLite's own connection

    with pytest.raises(RecoveryRefused, match="full") as refused:
        open_case(ledger, large, this_process(), 30)

    assert "free space" in refused.value.hint
    with ledger.reading() as session:
        assert session.scalars(select(IncidentRow)).all() == []
        assert session.scalars(select(LeaseRow)).all() == []


def test_a_postgresql_that_only_reads_refuses(postgres_url: str) -> None:
    """A standby, which takes no writes, is refused with a hint."""
    ledger = open_ledger(postgres_url)

    @event.listens_for(ledger.engine, "begin")
    def only_read(connection: object) -> None:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")  # type: ignore[attr-defined]  # SQLAlchemy's own connection

    with pytest.raises(RecoveryRefused, match="read-only"):
        opened(ledger)
    ledger.close()
