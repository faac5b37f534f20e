"""What an incident shows in the Prefect UI: its plan, its progress and timeline while it runs, its report.

Written by a thread of their own, so that acting never waits for the server, and joined at the end. Outside a flow
run nothing happens, and an artifact that cannot be written stops nothing.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING

from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger

from flows import _report, _timeline_picture
from flows._prediction import paragraph
from flows._prefect_server import prefect_server
from flows._wording import headline, short_seconds
from ledger.stories import Story, read_story
from rules.outcomes import Phase
from rules.redaction import redact

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient

    from ledger.database import Ledger
    from rules.plans import Plan

log = logging.getLogger("backstop")

LOOK_SECONDS = 1.0
"""Between two looks of the live progress at the ledger."""

_HOW_FAR = {
    Phase.DETECT: 5.0,
    Phase.DECIDE: 20.0,
    Phase.GUARD: 30.0,
    Phase.SNAPSHOT: 35.0,
    Phase.ACT: 40.0,
    Phase.VERIFY: 70.0,
    Phase.REPORT: 95.0,
}
"""The progress bar at the beginning of each phase, in per cent."""


class Showcase:
    """One incident's artifacts in its flow run. `shut` ends it; it waits a bounded time."""

    def __init__(self, ledger: Ledger, incident_id: str) -> None:
        context = FlowRunContext.get()
        self._run: UUID | None = context.flow_run.id if context and context.flow_run else None
        self._ledger, self._incident = ledger, incident_id
        self._jobs: queue.SimpleQueue[ArtifactCreate | None] = queue.SimpleQueue()
        self._bar: UUID | None = None
        self._shown = ""
        self._logged = 0
        self.problems: list[str] = []
        self._thread: threading.Thread | None = None
        if self._run is not None:
            work = copy_context().run  # Prefect's settings and run are context variables
            self._thread = threading.Thread(target=work, args=(self._work,), name="artifacts", daemon=True)
            self._thread.start()

    def plan(self, plan: Plan) -> None:
        """Show a plan: what, before, after, and why."""
        rows = [{"what": c.subject, "before": c.before, "after": c.after} for c in plan.changes]
        reasons = "\n".join(f"- {reason}" for reason in plan.reasons)
        takes = paragraph(plan.prediction)
        told = f"### {plan.title}\n\n{reasons}\n\n{takes}Plan `{plan.digest[:12]}`, rung «{plan.rung}»"
        self._create(f"plan-{plan.rung}", "table", json.dumps(redact(rows)), told)

    def report(self) -> None:
        """Show the report with its picture; the incident must be closed."""
        if self._run is None:
            return
        try:
            with self._ledger.reading() as session:
                story = read_story(session, self._incident)
            text = _report.markdown(story, _timeline_picture.data_address(story))
            told = f"How {headline(story.incident.scenario).lower()} in {story.incident.environment} went"
            self._create("report", "markdown", text, told)
        except Exception as error:  # noqa: BLE001 - an artifact that cannot be made stops nothing
            self._failed(error)

    def shut(self, seconds: float = 8.0) -> None:
        """Write what is still waiting, for at most so many seconds, and end."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(timeout=seconds)
            self._thread = None

    def _create(self, name: str, kind: str, data: str | float, told: str) -> None:
        if self._run is not None:
            key = "".join(c if c.isalnum() else "-" for c in f"{self._incident}-{name}".lower())
            self._jobs.put(
                ArtifactCreate(key=key, type=kind, data=data, description=redact(told), flow_run_id=self._run)
            )

    def _work(self) -> None:
        try:
            with prefect_server(retries=3) as client:
                while client is not None:
                    try:
                        job = self._jobs.get(timeout=LOOK_SECONDS)
                    except queue.Empty:
                        self._show_progress(client)
                        continue
                    if job is None:
                        self._show_progress(client)
                        return
                    self._write(client, job)
        except Exception as error:  # noqa: BLE001 - an artifact that cannot be made stops nothing
            self._failed(error)

    def _write(self, client: SyncPrefectClient, job: ArtifactCreate) -> None:
        try:
            client.create_artifact(job)
        except Exception as error:  # noqa: BLE001 - an artifact that cannot be made stops nothing
            self._failed(error)

    def _show_progress(self, client: SyncPrefectClient) -> None:
        """Bring the run's log and its progress bar up to what the ledger says, if that changed."""
        try:
            with self._ledger.reading() as session:
                story = read_story(session, self._incident)
            # The log is what the run's page opens with. A run that resumes another one tells all of it.
            for entry in story.entries[self._logged :]:
                get_run_logger().info("%s: %s", entry.phase, entry.text)
            self._logged = len(story.entries)
            done, told = _progress(story)
            if told == self._shown:
                return
            if self._bar is None:
                bar = ArtifactCreate(
                    key=f"{self._incident}-progress",
                    type="progress",
                    data=done,
                    description=told,
                    flow_run_id=self._run,
                )
                self._bar = client.create_artifact(bar).id
            else:
                client.update_artifact(self._bar, ArtifactUpdate(data=done, description=told))
            self._shown = told
        except Exception as error:  # noqa: BLE001 - an artifact that cannot be made stops nothing
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.problems.append(type(error).__name__)
        log.warning("an artifact of %s could not be written: %s", self._incident, redact(str(error)))


def _progress(story: Story) -> tuple[float, str]:
    row = story.incident
    if row.closed_at:
        return 100.0, f"**{row.ending}** after {short_seconds(story.total_seconds)}: {row.ending_reason}"
    lines = [f"- {entry.at:%H:%M:%S} {entry.phase}: {entry.text}" for entry in story.entries[-6:]]
    return _HOW_FAR[Phase(row.phase)], f"**{row.phase}**\n\n" + "\n".join(lines)
