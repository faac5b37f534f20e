"""From a hung test run to a clean repeat: the whole scenario, and the same by hand as the runbook has it.

Each of ours watches the run for the environment's quiet time first, here 2 s, which is told apart. By hand there is no
watching, and the commands run without a person between them: `kill`, a wait, `kill -9`, `rm`, `find`, and the repeat.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

from benchmarks.figures import Figure
from benchmarks.practice import practice_sandbox
from sandbox import kit_faults, kit_runs
from sandbox.test_kit.place import KitPlace

ROUNDS = 5
KILL_WAIT = 1.0
"""The environment's grace, too."""


def measure() -> Iterator[Figure]:
    """Ours and by hand in turns."""
    from deployments.environments import load_environment
    from flows.hung_process import recover

    ours, by_hand, clean, survivors = [], [], 0, 0
    with practice_sandbox() as box:
        place = KitPlace(box.home)
        box.keep()
        for _ in range(ROUNDS):
            box.reset()
            kit_faults.hang_a_run(box, "qa")
            began = time.perf_counter()
            outcome = recover.fn(load_environment("qa", box.home.environments), kit_faults.HUNG_RUN)
            ours.append(time.perf_counter() - began)
            left = kit_runs.processes_of(place, kit_faults.HUNG_RUN)
            clean += outcome.ending.value == "recovered" and not left
            box.reset()
            kit_faults.hang_a_run(box, "qa")
            by_hand.append(_by_hand(place))
            survivors += len(kit_runs.processes_of(place, kit_faults.HUNG_RUN))
    middle = sorted(ours)[ROUNDS // 2]
    yield Figure.at_most("hung run → clean repeat, median, 2 s of watching among it", middle, "s", 300)
    yield Figure.raw(
        "the runbook's commands without a person between them, median", sorted(by_hand)[ROUNDS // 2], "s"
    )
    yield Figure.exactly("clean, of 5", clean, "rounds", ROUNDS)
    yield Figure.raw(
        "processes that the runbook's `kill` leaves behind, each time", survivors / ROUNDS, "processes"
    )


def _by_hand(place: KitPlace) -> float:
    """`kill <pid>`, wait, `kill -9 <pid>` for the pids that `pgrep -f` finds; then remove, and run again."""
    words = ["pgrep", "-f", f"run-id {kit_faults.HUNG_RUN}"]
    began = time.perf_counter()
    for number in (signal.SIGTERM, signal.SIGKILL):
        found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(int(pid), number)
        time.sleep(KILL_WAIT)
    shutil.rmtree(place.artifacts / kit_faults.HUNG_RUN)
    for lock in place.folder.rglob("*.lock"):
        lock.unlink()
    kit_runs.start(place, "by-hand", "--count", "10").wait(timeout=60)
    return time.perf_counter() - began
