"""What a run writes into its folder."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class Artifacts:
    """The folder of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, facts: Mapping[str, Any]) -> None:
        """What ran, as which process, with which settings: written before anything else."""
        (self.folder / "run.json").write_text(json.dumps(dict(facts), indent=1), encoding="utf-8")

    def spans(self, spans: Iterable[Mapping[str, Any]]) -> None:
        """One line a call, as it is made."""
        with (self.folder / "spans.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(dict(span)) + "\n" for span in spans)

    def half_a_span(self) -> None:
        """What a process leaves that stops while it writes."""
        with (self.folder / "spans.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"name": "sqs.receive", "run_id": "')

    def logs(self, events: Iterable[Mapping[str, Any]]) -> None:
        """The log events of the service under test."""
        with (self.folder / "logs.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(dict(event)) + "\n" for event in events)

    def read_spans(self) -> list[dict[str, Any]]:
        """What was written so far."""
        path = self.folder / "spans.jsonl"
        return (
            [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if path.exists()
            else []
        )

    def report(self, title: str, exit_code: int, said: str) -> None:
        """The pages for people, at the end."""
        spans = self.read_spans()
        result = "passed" if exit_code == 0 else f"failed with exit code {exit_code}"
        rows = "".join(f"| {s['name']} | {s.get('correlation_id', '')} | {s['status']} |\n" for s in spans)
        page = f"# {title}: {result}\n\n{said}\n\n| call | correlation id | status |\n|---|---|---|\n{rows}"
        (self.folder / "report.md").write_text(page, encoding="utf-8")
        cells = "".join(f"<tr><td>{html.escape(json.dumps(span))}</td></tr>\n" for span in spans)
        whole = f"<!doctype html><title>{html.escape(title)}</title><table>\n{cells}</table>\n"
        (self.folder / "trace.html").write_text(whole, encoding="utf-8")
