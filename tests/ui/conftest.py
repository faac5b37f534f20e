"""A browser on the real thing: Prefect server, responder and receiver as `backstop up` starts them, on the sandbox."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import select

from blocks.settings import settings
from cli.demo_routes import receiver_variables
from deployments.stack import Stack
from ledger.database import Ledger, open_ledger
from ledger.models import IncidentRow

if TYPE_CHECKING:
    from sandbox.world import Sandbox

# Chromium must neither ask the network for anything nor need a display or a sandbox of its own (root).
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = Path(__file__).parents[2] / "docs/pictures"
PATIENCE_MILLISECONDS = 60_000
RECOVERY_MILLISECONDS = 150_000


@pytest.fixture(scope="package")
def stack(sandbox: Sandbox, masking_too: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Backstop's own parts on the sandbox, with release 1 proven good before release 2 went live."""
    from deployments.environments import load_environment
    from flows._release_memory import record
    from rules.outcomes import Verdict
    from tasks.release_packages import package_of

    sandbox.reset()
    sandbox.wait_until_green("prod")
    home = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**sandbox.variables(), "BACKSTOP_HOME": str(home)}.items():
            patch.setenv(name, value)
        settings.cache_clear()
        prod, good = load_environment("prod"), sandbox.release(1)
        packages = {f.name: package_of(prod, f.name, good).sha256 for f in prod.lambda_platform.functions}
        record(prod, good, Verdict.PASS, packages, by="the tests")
        extra = _with_routes(home, sandbox)
        parts = Stack(
            home, prefect_port=0, webhook_port=0, environments=sandbox.home.environments, extra=extra
        )
        parts.start()
        try:
            yield parts
        finally:
            parts.stop()
    settings.cache_clear()


@pytest.fixture(scope="package")
def proven(stack: Stack, sandbox: Sandbox) -> Stack:
    """The stack, whose ledger says that the release that runs is proven good."""
    from deployments.environments import load_environment
    from flows._release_memory import record
    from rules.outcomes import Verdict
    from sandbox.places import ENVIRONMENTS
    from tasks.release_packages import package_of

    release = sandbox.release(2)
    for name in ENVIRONMENTS:
        place = load_environment(name)
        packages = {
            f.name: package_of(place, f.name, release).sha256 for f in place.lambda_platform.functions
        }
        record(place, release, Verdict.PASS, packages, by="the tests")
    return stack


def _with_routes(home: Path, sandbox: Sandbox) -> dict[str, str]:
    """Of all alarms only the lock's leads anywhere: what a person starts here, no alarm starts as well."""
    place, told = sandbox.place("preprod"), receiver_variables(home, sandbox.home)
    routes = Path(told["BACKSTOP_WEBHOOK_ROUTES"])
    locked = {"alarm": place.lock_alarm, "scenario": "stale-terraform-lock", "environment": place.name}
    routes.write_text(yaml.safe_dump(yaml.safe_load(routes.read_text()) | {"routes": [locked]}))
    return told


@pytest.fixture(scope="module")
def browser(stack: Stack) -> Iterator[Browser]:
    """Debian's Chromium. After the stack: Playwright keeps an event loop in this thread, and Prefect minds it."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("There is no chromium on the path; `make test` installs Debian's package.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, stack: Stack, tmp_path: Path) -> Iterator[Page]:
    """A fresh page that remembers what it could not load."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=stack.prefect_address)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = context.new_page()
    yield page
    page.screenshot(path=tmp_path / "last.png")
    context.close()


def picture(page: Page, name: str) -> None:
    """Take a picture for the README, when asked to (BACKSTOP_PICTURES=1): tests leave the tree as it is."""
    if os.getenv("BACKSTOP_PICTURES"):
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(700)
        page.screenshot(path=PICTURES / f"{name}.png")


def ledger_of(stack: Stack) -> Ledger:
    """The stack's ledger."""
    return open_ledger(f"sqlite:///{stack.home / 'ledger.db'}")


def newest_incident(stack: Stack) -> IncidentRow:
    """The incident that was opened last."""
    with ledger_of(stack).reading() as session:
        found = session.scalars(select(IncidentRow).order_by(IncidentRow.opened_at.desc())).first()
    assert found is not None
    return found
