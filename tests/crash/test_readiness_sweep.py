"""A look at readiness that is killed loses nothing, and people hear of what is not ready."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from blocks.docker_host import DockerHost
from blocks.environment import Environment
from ledger import readiness as memory
from ledger.database import forget_opened, open_ledger
from tests.channels import Channel, kept_in, open_channel
from tests.crash.sweep import Start, forkserver, run, survive
from tests.stored_backups import stored_in

pytestmark = [pytest.mark.crash, pytest.mark.slow]


def look(told: dict[str, object]) -> object:
    """Look once at a stack that is not there."""
    from flows.readiness import readiness

    return readiness.fn(Environment.model_validate(told)).all_ready


class NotReady:
    """A Docker stack whose engine is away and that has no backup."""

    def __init__(self, home: Path, channel: Channel) -> None:
        self.home, self.channel = home, channel
        found = stored_in(home / "backups", escalation={"notices": [kept_in("NOTICES_URL")]})
        platform = found.docker_stack.model_copy(update={"host": DockerHost(address="unix:///nowhere.sock")})
        self.environment = found.model_copy(update={"platform": platform})

    def break_it(self) -> None:
        forget_opened()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.channel.told.clear()

    def start(self) -> tuple[Start, tuple[object, ...], dict[str, str]]:
        settings = {"BACKSTOP_HOME": str(self.home), "NOTICES_URL": self.channel.address}
        told = self.environment.model_dump(mode="json", exclude={"block_type_slug"})
        return look, (told,), {**settings, "BACKSTOP_DELAY_SCALE": "0.02"}

    def ended_well(self, outcome: object) -> bool:
        return outcome is False

    def state(self) -> object:
        with open_ledger(f"sqlite:///{self.home / 'ledger.db'}").reading() as session:
            return [(row.scenario, row.state, row.told_at is not None) for row in memory.listed(session)]

    def twice(self) -> list[str]:
        """A message may come twice, recognisably: two are better than none."""
        titles = self.channel.titles
        return titles if len(titles) > 2 or len(set(titles)) > 1 else []

    def left_behind(self) -> list[str]:
        return [] if self.channel.titles else ["nobody was told"]


@pytest.fixture
def channel() -> Iterator[Channel]:
    """Where people hear of it."""
    with open_channel() as opened:
        yield opened


def test_whatever_it_dies_at_people_hear_of_it(channel: Channel, tmp_path: Path) -> None:
    """Killed at each of its boundaries and started again: the same lines, and somebody was told."""
    context, world = forkserver(), NotReady(tmp_path / "world", channel)
    world.break_it()
    whole = run(context, world)
    assert world.ended_well(whole.outcome), (world.home / "told" / "output").read_text()
    wanted = world.state()

    assert "after readiness was told" in whole.crossed
    for number in range(len(whole.crossed)):
        survive(context, world, number, wanted)
