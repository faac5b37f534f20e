"""Every scenario on the real sandbox, killed at its boundaries and started again.

`make test` sweeps a seeded sample of a scenario of each system; `make sweep` all of it. To look into one that failed:
`make sweep ONLY=59 ARGS='-k my-scenario'`.
"""

from __future__ import annotations

import os
import random
import sys
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blocks.settings import settings
from ledger.database import forget_opened, open_ledger
from rules.outcomes import Ending, Verdict
from sandbox.practice import PRACTICES, Practice
from sandbox.stack_organ import MASKING
from tests.crash.practice_world import PracticeWorld
from tests.crash.sweep import forkserver, run, survive

if TYPE_CHECKING:
    from sandbox.world import Sandbox

pytestmark = [pytest.mark.crash, pytest.mark.real, pytest.mark.slow]

ALL = os.getenv("BACKSTOP_SWEEP", "")
"""Which boundaries: «all», or numbers with commas between them; empty: the sample."""
SAMPLE = {
    "canary-failure-direct": 2,
    "preprod-terraform-failure-finish": 1,
    "stuck-workflow-run-again": 1,
    "wrong-queue-publish-remove": 1,
    "stack-rollback-rollback": 1,
    "redis-corruption-restore": 1,
}
"""Boundaries that `make test` tries: one scenario of each system. `make sweep` tries every boundary of all."""
SEED = 20260131


def name_of(practice: Practice) -> str:
    """A practice in one word."""
    return f"{practice.scenario}-{practice.rung}"


SWEPT = [practice for practice in PRACTICES if ALL or name_of(practice) in SAMPLE]


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """One fork server for the module."""
    return forkserver()


@pytest.fixture(scope="module")
def proven(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in which the good releases are proven, made by the flow that a pipeline calls."""
    from deployments.environments import load_environment
    from flows.record_release import record_release

    sandbox.reset()
    home = tmp_path_factory.mktemp("proven")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**sandbox.variables(), "BACKSTOP_HOME": str(home)}.items():
            patch.setenv(name, value)
        settings.cache_clear()
        for name in ("prod", "preprod"):
            recorded = record_release.fn(load_environment(name), sandbox.release(2))
            assert recorded.verdict is Verdict.PASS, recorded
    settings.cache_clear()
    open_ledger(f"sqlite:///{home / 'ledger.db'}").close()
    forget_opened()
    return home / "ledger.db"


@pytest.mark.parametrize("practice", SWEPT, ids=name_of)
@pytest.mark.timeout(7200 if ALL else 420)
def test_a_death_at_any_boundary_is_survived(
    practice: Practice,
    sandbox: Sandbox,
    context: ForkServerContext,
    proven: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Killed at a boundary and started again, a recovery ends as if nobody had killed it, every effect once."""
    if practice.environment == MASKING:
        request.getfixturevalue("masking_too")
    world = PracticeWorld(sandbox, practice, tmp_path / "world", proven)
    world.break_it()
    whole = run(context, world)
    assert whole.outcome, (world.home / "told" / "output").read_text()
    assert whole.outcome.ending is Ending.RECOVERED, whole.outcome
    assert whole.outcome.plan
    assert whole.outcome.plan.rung == practice.rung
    wanted, count = world.state(), len(whole.crossed)
    chosen = list(range(count))
    if ALL[:1].isdigit():
        chosen = [int(number) for number in ALL.split(",")]
    elif not ALL:
        chosen = sorted(random.Random(SEED).sample(chosen, SAMPLE[name_of(practice)]))

    began = time.monotonic()
    for number in chosen:
        survive(context, world, number, wanted)
    taken = (time.monotonic() - began) / len(chosen)
    sys.stdout.write(
        f"{practice.scenario}/{practice.rung}: {len(chosen)} of {count} boundaries, {taken:.1f} s each\n"
    )
