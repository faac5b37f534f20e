"""The practice sandbox for tests: one per session, set back to the same deployed service for every test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sandbox.stack.engine import Engine
    from sandbox.test_kit.place import KitPlace
    from sandbox.world import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A running sandbox with release 2 deployed to prod and preprod. Call `sandbox.reset()` before using it."""
    from sandbox.world import Sandbox

    home = Path(tempfile.mkdtemp(prefix="backstop-sandbox-"))
    box = Sandbox.start(home)
    try:
        box.github.hold_to(Path(__file__).with_name("github_openapi.json"))
        with ThreadPoolExecutor() as both:
            preprod = both.submit(box.deploy, "preprod", 2)
            box.deploy("prod", 2)
            preprod.result()
        box.wait_until_green()
        box.keep()
        yield box
    finally:
        box.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def masking_too(sandbox: Sandbox, engine: Engine) -> None:
    """The sandbox with its Docker stack, the environment `masking`, on the session's engine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.address)
        sandbox.stack  # noqa: B018 - asking for it brings it up


@pytest.fixture(scope="session")
def qa_sandbox() -> Iterator[Sandbox]:
    """A running sandbox with its qa environment and nothing deployed: it is up in two seconds."""
    from sandbox.world import Sandbox

    home = Path(tempfile.mkdtemp(prefix="backstop-qa-"))
    box = Sandbox.start(home)
    try:
        box.keep()
        yield box
    finally:
        box.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def qa(qa_sandbox: Sandbox) -> Iterator[KitPlace]:
    """The qa environment: other people's messages in their queues, no run was ever made; set back afterwards too."""
    from sandbox.test_kit.place import KitPlace

    qa_sandbox.reset()
    yield KitPlace(qa_sandbox.home)
    qa_sandbox.reset()


@pytest.fixture
def fresh_sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The sandbox with release 2 live and healthy everywhere, nothing broken; set back afterwards too.

    Nothing was asked of its GitHub, and nothing answered, that GitHub does not describe.
    """
    sandbox.reset()
    yield sandbox
    violations = sandbox.github.seen()["violations"]
    sandbox.reset()
    assert violations == []
