"""GitHub's stand-in for tests, held to GitHub's own description: one per session, as it was for every test."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.environment import Environment
from blocks.settings import settings
from sandbox.github_stand_in import StandIn

DESCRIPTION = Path(__file__).with_name("github_openapi.json")


@pytest.fixture(scope="session")
def github_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The stand-in in a thread of this process; its home."""
    import uvicorn

    from sandbox import environment_files
    from sandbox.addresses import free_addresses
    from sandbox.github_api.serve import application
    from sandbox.places import FUNCTION_NAMES, Home

    home = Home(tmp_path_factory.mktemp("github"))
    home.keep_addresses(free_addresses(FUNCTION_NAMES))
    environment_files.write(home, "terraform")
    config = uvicorn.Config(application(home), port=home.addresses().github, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    stand_in = StandIn(home.addresses().github_url)
    stand_in.hold_to(DESCRIPTION)
    stand_in.keep("seeded")
    yield home.path
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def github(github_home: Path) -> Iterator[StandIn]:
    """GitHub with two good runs; at the end nothing was asked or answered that GitHub does not describe."""
    url = json.loads((github_home / "addresses.json").read_text())["github"]
    stand_in = StandIn(f"http://127.0.0.1:{url}")
    stand_in.reset("seeded")
    yield stand_in
    assert stand_in.seen()["violations"] == []


@pytest.fixture
def preprod_on_github(
    github: StandIn, github_home: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Environment:
    """The practice environment before production, with short pauses; only its GitHub is there."""
    import yaml

    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.1")
    settings.cache_clear()
    return Environment(**yaml.safe_load((github_home / "environments/preprod.yaml").read_text()))
