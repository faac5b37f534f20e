"""The benchmark harness: what it runs, writes and says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE = """
from benchmarks.figures import Figure
def measure():
    yield Figure.raw("raw", 3.0, "s")
    yield Figure.at_most("ratio", {ratio}, "×", 1.5)
"""


def run(folder: Path, ratio: float, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the harness over one benchmark in a folder of its own."""
    package = folder / "benchmarks"
    package.mkdir()
    for name in ("__init__.py", "__main__.py", "figures.py"):
        (package / name).write_text((ROOT / "benchmarks" / name).read_text())
    (package / "toy.py").write_text(MODULE.format(ratio=ratio))
    return subprocess.run(
        [sys.executable, "-m", "benchmarks"],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_figures_are_written_as_json(tmp_path: Path) -> None:
    """OUT receives every figure with its bound, whether it holds, and the load."""
    done = run(tmp_path, 1.2, OUT="out.json")

    rows = json.loads((tmp_path / "out.json").read_text())
    assert done.returncode == 0
    assert [set(row) for row in rows] == [{"name", "value", "unit", "bound", "holds", "load"}] * 2
    assert [(row["name"], row["holds"]) for row in rows] == [("raw", None), ("ratio", True)]


def test_a_broken_promise_is_an_error(tmp_path: Path) -> None:
    """A figure beyond its bound makes the run fail and is shown."""
    done = run(tmp_path, 1.7)

    assert done.returncode == 1
    assert "✗" in done.stdout


def test_a_pattern_without_a_match_says_what_there_is(tmp_path: Path) -> None:
    """A misspelt ONLY is an error that lists the names."""
    done = run(tmp_path, 1.0, ONLY="tpyo")

    assert done.returncode == 2
    assert "toy" in done.stderr
