"""A run whose artifacts hold what they must not: what is common to credentials and personal data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blocks.environment import Environment
from rules.findings import Finding as Found
from rules.findings import ScanReport
from rules.kit_settings import judge_redaction
from rules.leaks import judge_gone, judge_history, judge_scan
from rules.outcomes import Check, Finding, Verification
from rules.plans import Change, Plan
from rules.promises import Promise
from tasks.artifact_scans import scan_artifacts
from tasks.evidence import delete_artifacts, kept_evidence
from tasks.git_histories import clean_history, history_of
from tasks.kit_redaction import redact_names
from tasks.kit_settings import kit_settings
from tasks.run_repeats import repeat_run
from tasks.test_runs import newest_run, run_record

RUN, CASE, REPOSITORY = "run", "case", "repository"
"""Names of the facts in the plan."""

AGAIN = "-redacted"
"""What the repeated run is called after the leaking one."""


@dataclass(frozen=True, slots=True)
class Leak:
    """What is asked for, and how this kind of leak is kept out from then on."""

    environment: Environment
    run: str
    repository: str
    what: str
    variable: str
    """The kit's setting that keeps it out, and the names that have to be in it."""
    names: tuple[str, ...]
    personal: bool = False

    def folder(self, run: str) -> Path:
        """Where a run's artifacts are, or were."""
        return Path(self.environment.test_kit.artifacts).expanduser() / run

    def wanted_run(self) -> str:
        """The run that is looked at: the newest one where none was named."""
        return self.run or newest_run(self.environment)

    def scan(self, run: str) -> tuple[ScanReport, tuple[Found, ...]]:
        """What is in a run's artifacts, and what of it matters here."""
        report = scan_artifacts(str(self.folder(run)))
        return report, report.personal if self.personal else report.credentials

    def first_check(self, run: str) -> Check:
        """Whether a run's artifacts are clean, or were withdrawn already and are kept."""
        if not self.folder(run).exists() and (kept := kept_evidence(self.environment, run)):
            return judge_gone(run, exists=False, kept_files=len(kept.files))
        return self.check(run)

    def finding(self, promise: Promise) -> Finding:
        """What detecting says of the run."""
        check = self.first_check(self.wanted_run())
        return Finding(
            health=Verification.of([check]),
            severity=promise.severity,
            summary=check.reason,
            situation=promise.situation,
        )

    @property
    def parameters(self) -> dict[str, str]:
        """What was asked for, for the report."""
        asked = {"run": self.run or "the newest"}
        return asked | ({"repository": self.repository} if self.repository else {})

    def check(self, run: str) -> Check:
        """Whether a run's artifacts are clean."""
        report, found = self.scan(run)
        return judge_scan(report, found, self.what, run)

    def facts(self, run: str) -> dict[str, str]:
        """What acting needs to know."""
        return {
            RUN: run,
            CASE: run_record(self.environment, run).case,
            REPOSITORY: self.repository,
        }

    def changes(self, run: str) -> tuple[Change, ...]:
        """What acting changes, beside what is special to a kind of leak."""
        changes = [
            Change(
                subject=f"artifacts of {run}",
                before=f"hold {self.what}",
                after="deleted, kept encrypted",
                kind="files",
            ),
            Change(
                subject=self.variable,
                before="as it is",
                after=f"with {', '.join(self.names)}",
                kind="setting",
            ),
        ]
        if self.repository:
            after = "a cleaned branch for review"
            changes.append(Change(subject=self.repository, before="as it is", after=after, kind="git"))
        return tuple(changes)

    def clear(self, plan: Plan) -> None:
        """Delete the artifacts, clean the history on a branch, keep it out of the next run, and make that run."""
        environment, run = self.environment, plan.facts[RUN]
        delete_artifacts(environment, run)
        if plan.facts[REPOSITORY]:
            clean_history(environment, run, plan.facts[REPOSITORY], self.personal)
        redact_names(environment, self.variable, self.names)
        if plan.facts[CASE]:
            repeat_run(environment, plan.facts[CASE], run + AGAIN, ("--redact",))

    def checks(self, plan: Plan) -> Sequence[Check]:
        """Whether all that is so now."""
        environment, run = self.environment, plan.facts[RUN]
        kept = kept_evidence(environment, run)
        checks = [judge_gone(run, self.folder(run).exists(), len(kept.files) if kept else None)]
        if plan.facts[REPOSITORY]:
            history = history_of(environment, run, plan.facts[REPOSITORY], self.personal)
            checks.append(judge_history(plan.facts[REPOSITORY], history.holds, history.cleaned))
        setting = kit_settings(environment).get(self.variable, "")
        checks.append(judge_redaction(self.variable, setting, self.names))
        if plan.facts[CASE]:
            checks.append(self.check(run + AGAIN))
        return checks
