"""Opening the ledger: SQLite in WAL mode embedded, PostgreSQL by URL; migrated by Alembic when opened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from blocks.settings import settings
from rules.errors import RecoveryRefused

MIGRATIONS = Path(__file__).parent / "migrations"
HEAD = "0006"
IDLE_SECONDS = 10
"""How long PostgreSQL leaves a transaction open in which nothing happens."""
LOCK_SECONDS = 30
"""How long one writer waits for another."""

Boundary = Callable[[str, str], None]
_boundaries: list[Boundary] = []


def watch_boundaries(observer: Boundary) -> None:
    """Call `observer(moment, what)` at every commit: moment is `before` or `after`.

    The crash sweep kills a run at each of these: they are exactly the points between which a death
    could lose something.
    """
    _boundaries.append(observer)


def unwatch_boundaries(observer: Boundary) -> None:
    """Stop calling `observer`."""
    _boundaries.remove(observer)


class Ledger:
    """One open ledger. Safe to share between threads; not across a fork (open it anew there)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sessions = sessionmaker(engine, expire_on_commit=False)
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None

    @property
    def url(self) -> str:
        """Where it is, without a password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextmanager
    def session(self, what: str = "") -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on an error. `what` names it for the sweep.

        On SQLite it takes the write lock at its first statement, so that reading and then writing is atomic.

        Raises:
            RecoveryRefused: the database cannot be written or reached (read-only, full, gone).
        """
        with self._in_turn(), self._sessions() as session:
            try:
                yield session
                if what:
                    _cross("before", what)
                session.commit()
            except DBAPIError as error:
                session.rollback()
                if _is_unusable(error):
                    raise _unusable(self.url, error) from error
                raise
            except BaseException:
                session.rollback()
                raise
        if what:
            _cross("after", what)

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Let this process's threads write to SQLite one after the other.

        SQLite lets them wait by sleeping ever longer between two looks at its lock. A turn that does not come in
        time is not waited for: SQLite's own lock decides.
        """
        if self._turn is None or not self._turn.acquire(timeout=LOCK_SECONDS):
            yield
            return
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading only: takes no write lock and is never committed.

        Raises:
            RecoveryRefused: the database cannot be reached.
        """
        try:
            with self._sessions() as session:
                session.connection(execution_options={"reading": True})
                yield session
        except DBAPIError as error:
            if _is_unusable(error):
                raise _unusable(self.url, error) from error
            raise

    def close(self) -> None:
        """Give up the connections."""
        self.engine.dispose()


def open_ledger(url: str | None = None) -> Ledger:
    """Open the ledger at `url` (default: the settings'), create it or bring it up to date.

    Raises:
        RecoveryRefused: it cannot be opened, or was made by a newer Backstop.
    """
    return _opened(url or settings().ledger_address)


@lru_cache(maxsize=16)
def _opened(url: str) -> Ledger:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise _unusable("the address given", error) from None  # its text may hold a password
    is_sqlite = parsed.get_backend_name() == "sqlite"
    try:
        if is_sqlite and parsed.database and not parsed.database.startswith("file:"):
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = _sqlite(url) if is_sqlite else _server(url)
        _migrate(engine)
    except (OSError, SQLAlchemyError) as error:
        raise _unusable(parsed.render_as_string(hide_password=True), error) from error
    return Ledger(engine)


def is_there() -> bool:
    """Whether there is a ledger, for what must not make one. One on a server is taken to be there."""
    parsed = make_url(settings().ledger_address)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").exists()


def forget_opened() -> None:
    """Drop the cache of open ledgers: in a forked child, and in tests that replace the database."""
    _opened.cache_clear()


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _server(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=True, pool_size=10)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        # A process that is stopped in the middle of writing must not keep the lease's row from everybody.
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        connection.commit()
        cursor.close()

    return engine


def _migrate(engine: Engine) -> None:
    with engine.connect().execution_options(reading=True) as connection:
        found = None
        if inspect(connection).has_table("alembic_version"):
            found = connection.execute(text("select version_num from alembic_version")).scalar()
    if found == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    if found and found not in known:
        raise RecoveryRefused(
            f"The ledger is at migration {found}, which this Backstop does not know.",
            hint="It was opened by a newer Backstop: install that version here too.",
        )
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("select pg_advisory_xact_lock(8142001)"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise RecoveryRefused(
                f"The ledger could not be migrated: {error}", hint="See docs/operations.md."
            ) from error


def _cross(moment: str, what: str) -> None:
    for observer in _boundaries:
        observer(moment, what)


def _is_unusable(error: DBAPIError) -> bool:
    words = str(error.orig).lower()
    return error.connection_invalidated or any(
        sign in words
        for sign in (
            "readonly",
            "read-only",
            "full",
            "no space",
            "unable to open",
            "disk i/o",
            "is locked",
            "lock timeout",
            "connection",
        )
    )


def _unusable(url: str, error: Exception) -> RecoveryRefused:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return RecoveryRefused(
        f"The ledger at {url} cannot be used: {cause}.",
        hint="Backstop acts only when it can record. Check the path, its permissions and free space, "
        "or set BACKSTOP_LEDGER_URL.",
    )
