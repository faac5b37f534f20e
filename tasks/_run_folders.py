"""What a test run tells of itself: the files in its folder, read as they are, however the run ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blocks.environment import Environment
from rules.errors import RecoveryRefused
from rules.process_trees import Root
from rules.stray_messages import RunTraces
from rules.values import Frozen

RECORD, SPANS, ASIDE = "run.json", "spans.jsonl", "set-aside"
"""Names in the artifact folder; below the last one partial artifacts are kept."""


class RunRecord(Frozen):
    """What a run wrote down of itself before anything else."""

    run_id: str
    case: str = ""
    pid: int = 0
    started: float = 0.0
    """Of its process, Unix seconds."""
    host: str = ""
    began: datetime | None = None
    ended: datetime | None = None
    lock: str = ""
    """Its lock file, below the kit's folder."""
    settings: dict[str, str] = {}
    exit_code: int | None = None
    """None: it has not ended, or does not tell."""

    @property
    def root(self) -> Root | None:
        """Its first process; None when it names none."""
        return Root(self.pid, self.started) if self.pid else None


def run_folder(environment: Environment, run_id: str) -> Path:
    """The folder of a run, where it was set aside too.

    Raises:
        RecoveryRefused: there is none, or it leads somewhere else.
    """
    artifacts = Path(environment.test_kit.artifacts).expanduser()
    folder = artifacts / run_id
    aside = artifacts / ASIDE / run_id
    if not folder.exists() and aside.is_dir() and not aside.is_symlink():
        return aside
    if folder.is_symlink() or not folder.is_dir():
        known = [path.name for path in newest_first(environment)]
        raise RecoveryRefused(
            f"The run {run_id} has no folder in {artifacts}"
            + (": that is a link to somewhere else." if folder.is_symlink() else "."),
            hint=f"There is: {', '.join(known[:8])}." if known else "No run has left anything there.",
        )
    return folder


def newest_first(environment: Environment) -> list[Path]:
    """The folders of all runs that say what they are, the newest first."""
    artifacts = Path(environment.test_kit.artifacts).expanduser()
    found = [
        p.parent for p in artifacts.glob(f"*/{RECORD}") if not p.parent.is_symlink() and not p.is_symlink()
    ]
    return sorted(found, key=lambda folder: (folder / RECORD).stat().st_mtime, reverse=True)


def read_record(folder: Path) -> RunRecord:
    """What the run wrote down; of a half-written file only the folder's name is known."""
    try:
        told = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return RunRecord(
            run_id=str(told["run_id"]),
            case=str(told.get("case", "")),
            pid=int(told.get("pid", 0)),
            started=float(told.get("started", 0.0)),
            host=str(told.get("host", "")),
            began=_moment(told.get("began")),
            ended=_moment(told.get("ended")),
            lock=str(told.get("lock", "")),
            exit_code=int(told["exit_code"]) if told.get("exit_code") is not None else None,
            settings={str(name): str(value) for name, value in told.get("settings", {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return RunRecord(run_id=folder.name)


def read_traces(folder: Path, own: tuple[str, ...]) -> RunTraces:
    """What the run published outside its `own` queues, by its own word. A span that was cut off is left out."""
    record, ids, correlations, queues = read_record(folder), set[str](), set[str](), Counter[str]()
    for span in _spans(folder / SPANS):
        if span.get("name") != "sqs.send" or span.get("run_id") != record.run_id:
            continue
        if span.get("queue_url") in own:
            continue
        if span.get("message_id"):
            ids.add(str(span["message_id"]))
        if span.get("correlation_id"):
            correlations.add(str(span["correlation_id"]))
        queues[str(span.get("queue_url", ""))] += 1
    queues.pop("", 0)
    return RunTraces(
        run_id=record.run_id,
        message_ids=frozenset(ids),
        correlation_ids=frozenset(correlations),
        began=record.began,
        queues=tuple(queues),
        sent=dict(queues),
    )


def _spans(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_symlink() or not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                span = json.loads(line)
            except ValueError:
                continue
            if isinstance(span, dict):
                yield span


def _moment(seconds: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(seconds), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None
