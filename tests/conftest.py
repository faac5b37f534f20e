"""What every test may ask for, and what keeps one test from touching another or the machine."""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

PLUGINS = (
    "tests.acting",
    "tests.docker_engine",
    "tests.github_fixtures",
    "tests.lone_redis",
    "tests.postgres",
    "tests.prefect_server",
    "tests.sandbox_fixtures",
)
pytest_plugins = [name for name in PLUGINS if importlib.util.find_spec(name)]

# Nothing of whoever runs the tests: no credentials, no settings, no Prefect profile. Before any import.
KEPT = {"BACKSTOP_SWEEP", "BACKSTOP_TRIAL", "BACKSTOP_PICTURES"}
for _name in [name for name in os.environ if name.startswith(("AWS_", "BACKSTOP_", "PREFECT_", "TF_"))]:
    if _name not in KEPT:
        del os.environ[_name]
SCRATCH = Path(tempfile.mkdtemp(prefix="backstop-tests-"))
os.environ |= {
    "AWS_CONFIG_FILE": str(SCRATCH / "no-aws-config"),
    "AWS_SHARED_CREDENTIALS_FILE": str(SCRATCH / "no-aws-credentials"),
    "AWS_EC2_METADATA_DISABLED": "true",
    "BACKSTOP_HOME": str(SCRATCH / "home"),
    "PREFECT_HOME": str(SCRATCH / "prefect"),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}

# Two busy cores say nothing about the code, so examples have no deadline; CI draws the same ones each time.
hypothesis_settings.register_profile(
    "backstop", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.getenv("CI"))
)
hypothesis_settings.load_profile("backstop")


def pytest_unconfigure() -> None:
    """Remove the scratch folder."""
    shutil.rmtree(SCRATCH, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the parallel workers, let one do everything on the sandbox, one on the Prefect server, one on Docker.

    Each is started once then, and no test meets another's changes.
    """
    for item in items:
        needs = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("xdist_group") is None:
            if "sandbox" in needs:
                item.add_marker(pytest.mark.xdist_group("sandbox"))
            elif "prefect_server" in needs:
                item.add_marker(pytest.mark.xdist_group("prefect"))
            elif "engine" in needs:
                item.add_marker(pytest.mark.xdist_group("docker"))


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """Put the environment back after every test, whatever the code under test did to it."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give every test a Backstop home of its own, with an empty ledger."""
    from blocks.settings import settings

    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BACKSTOP_HOME", str(home))
    settings.cache_clear()
    yield home
    settings.cache_clear()
