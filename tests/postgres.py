"""A throw-away PostgreSQL server from Debian's package, and a fresh database for each test that asks.

The server listens on a Unix socket in a temporary folder only, keeps nothing safe (no fsync), and dies with
the process that started it. PostgreSQL refuses to run as root, so root starts it as `nobody`.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

START_SECONDS = 30.0
PR_SET_PDEATHSIG = 1


class Cluster:
    """One running server."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self._numbers = itertools.count(1)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database on this server."""
        return f"postgresql+psycopg://backstop@/{database}?host={self.folder}"

    def create_database(self) -> str:
        """Make an empty database; return its name."""
        name = f"test_{next(self._numbers)}"
        self.run(f'CREATE DATABASE "{name}" STRATEGY file_copy')
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self.run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def run(self, statement: str) -> None:
        """Run one statement as the superuser."""
        with psycopg.connect(
            host=str(self.folder), user="backstop", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def stop(self) -> None:
        """End the server at once and remove its files."""
        self.process.send_signal(signal.SIGQUIT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def start_cluster() -> Cluster:
    """Make a cluster in a temporary folder and start it; about two seconds."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.fail("No PostgreSQL under /usr/lib/postgresql; `make test` installs Debian's package.")
    programs = found[-1].parent
    owner = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    folder = Path(
        tempfile.mkdtemp(prefix="backstop-pg-")
    )  # short: a socket's path has 107 characters at most
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    words = f"-D {folder}/data -U backstop -A trust -E UTF8 --no-sync"
    made = subprocess.run(
        [str(programs / "initdb"), *words.split()],
        user=owner.pw_uid,
        group=owner.pw_gid,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.fail(f"initdb failed: {made.stderr}")
    options = {
        "listen_addresses": "",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "shared_buffers": "32MB",
        "max_connections": "60",
    }
    flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(folder / "data"), *flags],
            user=owner.pw_uid,
            group=owner.pw_gid,
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call, before any thread matters
        )
    cluster = Cluster(folder, process)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            cluster.run("SELECT 1")
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                log_text = (folder / "server.log").read_text()
                cluster.stop()
                pytest.fail(f"PostgreSQL did not start: {log_text}")
            time.sleep(0.05)
        else:
            return cluster


def _die_with_parent() -> None:
    """Ask Linux to end the server when the test process is gone, even by SIGKILL."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The session's PostgreSQL server."""
    cluster = start_cluster()
    yield cluster
    cluster.stop()


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once SQLite's and once PostgreSQL's: the ledger is tested on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
