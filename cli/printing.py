"""How data and times look on a terminal, and that they stay readable where there is none."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {
    "recovered": "green",
    "nothing to do": "green",
    "rehearsed": "cyan",
    "refused": "yellow",
    "already handled": "yellow",
    "not recovered": "red",
    "undo failed": "bold red",
    "open": "bold yellow",
    "pass": "green",
    "warn": "yellow",
    "fail": "red",
    "inconclusive": "yellow",
}


@cache
def console() -> Console:
    """Standard output. Where it is not a terminal, lines are not folded: other programs read them."""
    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False)


def is_live() -> bool:
    """Whether pictures that redraw themselves make sense."""
    return console().is_terminal and not console().is_dumb_terminal


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; on anything but a terminal as plain, aligned columns that are never folded."""
    if not sys.stdout.isatty():
        _plain_table(title, columns, rows)
        return
    drawn = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold", justify="right" if column.endswith("seconds") else "left")
    for row in rows:
        drawn.add_row(*row)
    console().print(drawn)


def _plain_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    cells = [list(columns), *([Text.from_markup(cell).plain for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if title:
        print(title)
    for row in cells:
        aligned = (
            cell.rjust(width) if column.endswith("seconds") else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        print("  ".join(aligned).rstrip())


def coloured(word: str) -> str:
    """A word of ours in its colour."""
    colour = COLOURS.get(word)
    return f"[{colour}]{word}[/]" if colour else word


def clock(at: datetime | None) -> str:
    """A time for people: UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def duration(seconds: float | None) -> str:
    """A duration for people: `0.4 s`, `12 s`, `3 min 05 s`."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
