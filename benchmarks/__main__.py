"""Run the benchmarks: every module beside this one with a `measure()` that yields figures.

`OUT=file.json` also writes them as a list of `{name, value, unit, bound, holds, load}`; `ONLY=pattern` runs
the modules whose name matches (`webhook*`, or a part of the name). Exit 1 when a bound does not hold or a
measurement failed.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.figures import Figure, load_average

Measure = Callable[[], Iterator[Figure]]


def main() -> int:
    """Measure what was asked for, show it, write it."""
    console = Console(stderr=True)
    figures: list[Figure] = []
    failed: list[str] = []
    chosen = list(choose(os.environ.get("ONLY", "")))
    if not chosen:
        console.print(f"No benchmark matches {os.environ.get('ONLY')!r}; there are: {', '.join(names())}")
        return 2
    for name in chosen:
        console.print(f"[bold]{name}[/] … (load {load_average()})")
        began = time.monotonic()
        try:
            figures += load(name)()
        except Exception:  # noqa: BLE001 - one broken benchmark must not hide the others' figures
            failed.append(name)
            console.print(traceback.format_exc(), style="red", markup=False)
        console.print(f"{name}: {time.monotonic() - began:.1f} s", style="dim")
    Console().print(table(figures))
    if out := os.environ.get("OUT"):
        rows = [asdict(figure) for figure in figures]
        Path(out).write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for name in failed:
        console.print(f"[red]{name} could not be measured.[/]")
    return int(bool(failed) or any(figure.holds is False for figure in figures))


def names() -> list[str]:
    """The benchmarks there are."""
    inside = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)}
    parts = {"figures", "foreign", "practice", "preconditions", "noisy_metrics", "container_monitor"}
    return sorted(inside - parts - {"__main__"})


def choose(pattern: str) -> Iterator[str]:
    """The benchmarks whose name matches the pattern or contains it; all of them without one."""
    return (name for name in names() if not pattern or pattern in name or fnmatch(name, pattern))


def load(name: str) -> Measure:
    """The `measure` of a benchmark."""
    measure: Measure = importlib.import_module(f"benchmarks.{name}").measure
    return measure


def table(figures: list[Figure]) -> Table:
    """The figures for a terminal; a bound that does not hold stands out."""
    shown = Table(title=f"{len(os.sched_getaffinity(0))} cores, Python {sys.version.split()[0]}")
    for heading in ("what", "measured", "promised", "load"):
        shown.add_column(heading, justify="left" if heading == "what" else "right")
    for figure in figures:
        colour = {None: "dim", True: "green", False: "bold red"}[figure.holds]
        mark = {None: "", True: " ✓", False: " ✗"}[figure.holds]
        shown.add_row(
            figure.name,
            f"[{colour}]{figure.value:.4g} {figure.unit}{mark}[/]",
            figure.bound,
            f"{figure.load}",
        )
    return shown


if __name__ == "__main__":
    sys.exit(main())
