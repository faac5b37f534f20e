"""The whole flow on real folders against a model: backups, tests, incidents, clock jumps and deaths in any order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from flows.backup_retention import backup_retention
from ledger.database import open_ledger
from ledger.models import IncidentRow
from rules.retention import CRITICAL, RETENTION, Fate, Kept, Proof, decide
from rules.severity import Tier
from tasks import backup_keeping
from tasks._backup_directory import DirectoryStore
from tasks.backup_proofs import record_proof
from tests.stored_backups import CONTENT, made_at, publish, stored_in

START = datetime(2026, 1, 1, tzinfo=UTC)
HISTORIES = int(os.getenv("BACKSTOP_HISTORIES", "150"))


class Died(BaseException):
    """Raised where a run is killed."""


@dataclass
class World:
    """A folder of backups, and what a person would remember of it."""

    root: Path
    tier: Tier
    clock: datetime = START
    there: dict[str, Kept] = field(default_factory=dict)
    needed: str = ""

    @property
    def store(self) -> DirectoryStore:
        """Where they are."""
        return DirectoryStore(self.root / "masking")

    def back_up(self, minutes: int, *, critical: bool) -> None:
        """After some time, or after a jump of the clock."""
        self.clock += timedelta(minutes=minutes)
        made = made_at(self.clock, len(self.there), critical=critical)
        publish(self.store, made)
        self.there[made.id] = Kept(made.id, self.clock, critical=critical)

    def test_a_restore(self, number: int, proof: Proof) -> None:
        """Of one that is not in the trash."""
        if names := self.store.ids():
            name = names[number % len(names)]
            record_proof.fn(stored_in(self.root, self.tier), name, proof)
            self._know(name, proof=proof)

    def need(self, number: int) -> None:
        """An incident names one, instead of the one before."""
        self.needed = sorted(self.there)[number % len(self.there)] if self.there else ""
        with open_ledger().session() as session:
            session.execute(delete(IncidentRow))
            row = {"scenario": "stack-rollback", "environment": "masking", "tier": self.tier.value}
            session.add(IncidentRow(id="inc-1", opened_at=START, parameters={"to": self.needed}, **row))

    def retain(self, die_at: int) -> None:
        """Let go, killed at one of its changes; hold every promise whether it was or not."""
        before, away = dict(self.there), set(self.store.trash())
        told = decide(before.values(), self.tier, needed={self.needed: "inc-1"} if self.needed else {})
        died = False
        try:
            with death(die_at):
                backup_retention.fn(stored_in(self.root, self.tier))
        except Died:
            died = True
        listed, trash = set(self.store.ids()), set(self.store.trash())
        gone = set(before) - listed - trash
        for name in gone:
            assert name in away, "deleted without having been in the trash before"
        for name in self._sacred(before):
            assert name not in gone
            assert died or name in listed
        assert not (listed & trash)
        if not died:
            assert listed == {each.id for each in told if not each.fate.goes}
            assert trash == {each.id for each in told if each.fate in (Fate.TRASH, Fate.LEAVE)}
            assert not list((self.root / "masking").glob(".deleted/*"))
            assert set(self.store.notes()) <= listed | trash
        for name in listed | trash:
            self._is_whole(name, in_trash=name in trash)
            self._know(name, in_trash=name in trash)
        self.there = {name: kept for name, kept in self.there.items() if name not in gone}

    def _sacred(self, before: dict[str, Kept]) -> set[str]:
        """What may never go, said in other words than the rule's."""
        good = sorted((k.taken_at, k.id) for k in before.values() if k.proof is not Proof.FAILED)
        proven = sorted((k.taken_at, k.id) for k in before.values() if k.proof is Proof.PROVEN)
        found = {ranked[-1][1] for ranked in (good, proven) if ranked} | ({self.needed} & set(before))
        if not proven:
            return found | {name for _, name in good}
        for kept in before.values():
            longest = max(CRITICAL, RETENTION[self.tier]) if kept.critical else RETENTION[self.tier]
            if good[-1][0] - kept.taken_at <= longest:
                found.add(kept.id)
        return found

    def _is_whole(self, name: str, *, in_trash: bool) -> None:
        assert self.store.manifest(name, in_trash=in_trash).id == name
        folder = self.store.root / ".trash" if in_trash else self.store.root
        assert (folder / name / "redis.rdb").read_bytes() == CONTENT

    def _know(self, name: str, *, proof: Proof | None = None, in_trash: bool | None = None) -> None:
        old = self.there[name]
        self.there[name] = Kept(
            name,
            old.taken_at,
            old.proof if proof is None else proof,
            old.critical,
            old.in_trash if in_trash is None else in_trash,
        )


@contextmanager
def death(at: int) -> Iterator[None]:
    """Die at the `at`-th change of the store: before a move, after it, or with a folder half removed."""
    move, remove, count = DirectoryStore._move, DirectoryStore._remove, 0

    def crossed() -> None:
        nonlocal count
        count += 1
        if count == at:
            raise Died

    def moved(store: DirectoryStore, backup: str, source: Path, target: Path) -> bool:
        crossed()
        done = move(store, backup, source, target)
        crossed()
        return done

    def removed(store: DirectoryStore, name: str) -> None:
        for file in sorted((store.root / ".deleted" / name).iterdir())[:1]:
            file.unlink()
        crossed()
        remove(store, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DirectoryStore, "_move", moved)
        patch.setattr(DirectoryStore, "_remove", removed)
        yield


STEP = st.tuples(st.sampled_from("bbbbbttfnrrrr"), st.integers(-2_000, 9_000), st.integers(0, 24))


@pytest.fixture(autouse=True)
def one_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, so that a death is the end; no such stack; no power cut, so nothing waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(backup_keeping, "_LANES", 1)
    monkeypatch.setattr("flows.backup_retention.refuse_other_place", lambda _environment: None)


@settings(max_examples=HISTORIES, deadline=None, database=None)
@given(st.sampled_from(list(Tier)), st.lists(STEP, min_size=6, max_size=30))
def test_no_history_loses_what_is_needed(
    tmp_path_factory: pytest.TempPathFactory, tier: Tier, steps: list[tuple[str, int, int]]
) -> None:
    """Whatever happened and wherever a run died: what must stay is whole, and the next run does what is left."""
    world = World(tmp_path_factory.mktemp("history"), tier)
    with open_ledger().session() as session:
        session.execute(delete(IncidentRow))
    for what, minutes, number in steps:
        match what:
            case "b":
                world.back_up(minutes, critical=number % 8 == 0)
            case "t":
                world.test_a_restore(number, Proof.PROVEN)
            case "f":
                world.test_a_restore(number, Proof.FAILED)
            case "n":
                world.need(number)
            case _:
                world.retain(die_at=number)
    world.retain(die_at=0)
    shutil.rmtree(world.root)
