"""Starting runs of the kit as somebody at a terminal does, and cleaning up after them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from rules.errors import StepFailed
from sandbox.environment_files import own_variables, variables
from sandbox.places import Home
from sandbox.processes import ROOT
from sandbox.test_kit.place import KitPlace

RUN_VARIABLE = "ITK_RUN_ID"


def start(
    place: KitPlace, run_id: str, *words: str, case: str = "orders", more: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a run in a session of its own, in the kit's folder; `more` are variables of its terminal."""
    environment = (
        own_variables(place.home) | variables(place.home) | {"PYTHONPATH": str(ROOT)} | dict(more or {})
    )
    command = [sys.executable, "-P", "-m", "sandbox.test_kit", "run", "--case", case, "--run-id", run_id]
    return subprocess.Popen(
        [*command, "--out", str(place.artifacts / run_id), *words],
        cwd=place.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_until_published(place: KitPlace, run_id: str, count: int, seconds: float = 30.0) -> None:
    """Wait until a run's spans tell of so many messages.

    Raises:
        StepFailed: they never did.
    """
    spans, until = place.artifacts / run_id / "spans.jsonl", time.monotonic() + seconds
    while not spans.exists() or spans.read_text(encoding="utf-8").count('"sqs.send"') < count:
        if time.monotonic() > until:
            raise StepFailed(f"The run {run_id} did not publish {count} messages within {seconds:g} s.")
        time.sleep(0.05)


def processes_of(place: KitPlace, run_id: str = "") -> list[psutil.Process]:
    """Every process that belongs to a run of this sandbox (to any, when none is named), whoever its parent is.

    Zombies are not among them.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words, marked = process.cmdline(), process.environ().get(RUN_VARIABLE, "")
            if not marked and {"sandbox.test_kit", "--run-id"} <= set(words):
                marked = words[words.index("--run-id") + 1]
            ours = marked and run_id in ("", marked) and Path(process.cwd()).is_relative_to(place.folder)
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def end_runs(home: Home) -> None:
    """Kill what is left of every run."""
    for process in processes_of(KitPlace(home)):
        with contextlib.suppress(psutil.Error):
            process.kill()


def keep_folders(home: Home, moment: str) -> None:
    """Remember what the kit has on disk."""
    place = KitPlace(home)
    kept = _kept(place, moment)
    shutil.rmtree(kept, ignore_errors=True)
    for folder in (place.folder, place.copies, place.repository):
        if folder.exists():
            shutil.copytree(folder, kept / folder.name, symlinks=True)


def reset_folders(home: Home, moment: str) -> None:
    """Back to what the kit had on disk, with no run left."""
    end_runs(home)
    place = KitPlace(home)
    kept = _kept(place, moment)
    for folder in (place.folder, place.copies, place.repository):
        shutil.rmtree(folder, ignore_errors=True)
        if folder.is_file():
            folder.unlink()
        if (kept / folder.name).exists():
            shutil.copytree(kept / folder.name, folder, symlinks=True)


def _kept(place: KitPlace, moment: str) -> Path:
    return place.home.path / "run" / "kit" / moment
