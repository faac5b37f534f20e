"""How long `make demo ONCE=1` takes from a fresh clone with warm package caches, and where the time goes."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure

ROOT = Path(__file__).parent.parent
LIMIT_SECONDS = 90.0
STAGE = re.compile(r"^✓ +(?P<seconds>[\d.]+) s  (?P<name>.+?)(?:  .*)?$", re.MULTILINE)


def measure() -> Iterator[Figure]:
    """Clone what is committed here, make the demo, read its stages."""
    with tempfile.TemporaryDirectory(prefix="backstop-bench-") as name:
        clone = Path(name) / "backstop"
        began = time.perf_counter()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        subprocess.run(["make", ".venv/.ready-demo"], cwd=clone, check=True, capture_output=True)
        installed = time.perf_counter() - began
        plain = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"}
        done = subprocess.run(
            ["make", "demo", "ONCE=1"], cwd=clone, env=plain, capture_output=True, text=True, check=False
        )
        whole = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(
            f"the demo ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}"
        )
    yield Figure.at_most("fresh clone → demo's end", whole, "s", LIMIT_SECONDS)
    yield Figure.raw("of it: clone, uv, locked packages from the cache", installed, "s")
    for stage in STAGE.finditer(done.stdout + done.stderr):
        yield Figure.raw(f"demo stage: {stage['name'].strip()}", float(stage["seconds"]), "s")
