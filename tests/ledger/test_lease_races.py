"""Two processes that want the same environment, a hundred times."""

from __future__ import annotations

import random
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ledger import leases
from ledger.database import Ledger, open_ledger
from ledger.holders import this_process
from ledger.incidents import open_case
from rules.errors import AlreadyHandled, BackstopError, LeaseHeld
from tests.crash.sweep import forkserver
from tests.ledger.samples import opening

ROUNDS = 100


def race(url: str, room: str, name: str, told: Connection) -> None:
    """Take the lease, be alone in the room, leave, give the lease back: as often as it takes."""
    try:
        told.send(_race(url, Path(room), name))
    except BaseException as error:  # noqa: BLE001 - told to the test
        told.send(repr(error))


def _race(url: str, room: Path, name: str) -> tuple[list[int], list[str]]:
    from ledger.cases import now

    ledger, fences, met = open_ledger(url), list[int](), list[str]()
    while len(fences) < ROUNDS // 2:
        try:
            with ledger.session() as session:
                fence = leases.acquire(session, "prod", name, this_process(), now(), 60)
        except LeaseHeld:
            time.sleep(random.uniform(0, 0.003))
            continue
        try:
            room.mkdir()  # the operating system lets only one do this
        except FileExistsError:
            met.append(f"{name} with {fence}")
        else:
            time.sleep(random.uniform(0, 0.002))
            room.rmdir()
        with ledger.session() as session:
            leases.release(session, "prod", fence)
        fences.append(fence)
    return fences, met


@pytest.mark.crash
def test_two_processes_never_hold_a_lease_together(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    """In a hundred takings by two racing processes nobody meets the other, and no number is given twice."""
    context = forkserver()
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    children = [
        context.Process(target=race, args=(ledger_url, str(tmp_path / "room"), f"racer-{n}", pipe[1]))
        for n, pipe in enumerate(pipes)
    ]
    for child in children:
        child.start()
    results = [pipe[0].recv() for pipe in pipes]
    for child in children:
        child.join(60)

    assert all(isinstance(result, tuple) for result in results), results
    assert [met for _, met in results] == [[], []]
    assert sorted(results[0][0] + results[1][0]) == list(range(1, ROUNDS + 1))


def open_it(url: str, start_at: float, told: Connection) -> None:
    """Open the same incident as the others, in the same moment."""
    try:
        ledger = open_ledger(url)
        time.sleep(max(0.0, start_at - time.time()))
        open_case(ledger, opening(), this_process(), 60)
        told.send("opened")
        time.sleep(60)  # alive until the test ends it
    except AlreadyHandled:
        told.send("already handled")
    except BackstopError as error:
        told.send(repr(error))


@pytest.mark.crash
def test_of_many_openers_at_once_one_opens(ledger: Ledger, ledger_url: str) -> None:
    """Five runs for one incident in the same moment: one opens it, the others are told that it is handled."""
    context = forkserver()
    pipes = [context.Pipe(duplex=False) for _ in range(5)]
    start_at = time.time() + 3
    children = [context.Process(target=open_it, args=(ledger_url, start_at, pipe[1])) for pipe in pipes]
    for child in children:
        child.start()
    try:
        answers = Counter(pipe[0].recv() for pipe in pipes)
    finally:
        for child in children:
            child.kill()
            child.join(30)

    assert answers == {"opened": 1, "already handled": 4}
