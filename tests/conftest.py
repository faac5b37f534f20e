"""What every test may ask for, and what keeps one test from touching another or the machine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import certifi
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
    "SSL_CERT_FILE": str(SCRATCH / "one-root.pem"),
}
# All that tests talk to is on this machine. Each HTTP client reads every root certificate there is, and they are many.
_END = "-----END CERTIFICATE-----\n"
(SCRATCH / "one-root.pem").write_text(
    Path(certifi.where()).read_text(encoding="ascii").partition(_END)[0] + _END
)

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
    """Of the parallel workers, let one do everything on the Prefect server, and one everything on Docker.

    Tests on the sandbox, of which each worker has its own, stay with their file: they share what it was broken to.
    """
    for item in items:
        needs = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("xdist_group") is None:
            if "prefect_server" in needs:
                item.add_marker(pytest.mark.xdist_group("prefect"))
            elif "engine" in needs:
                item.add_marker(pytest.mark.xdist_group("docker"))
            elif "sandbox" in needs:
                item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name a test without its group, so that what failed is found again where nothing runs in parallel."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        report.nodeid = re.sub(r"@\w+$", "", report.nodeid)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run in parallel where groups are not kept together: tests would meet each other's changes."""
    if "PYTEST_XDIST_WORKER" in os.environ and session.config.getoption("loadgroup", default=False):
        for item in session.items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError("this pytest-xdist does not keep groups together with this pytest")


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
