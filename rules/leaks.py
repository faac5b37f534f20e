"""What a leak in artifacts is judged by: what was found, what was not looked at, what is clean afterwards.

Source: runbook 000, scenarios 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence

from rules.findings import Finding, ScanReport
from rules.outcomes import Check, Verdict


def judge_scan(report: ScanReport, found: Sequence[Finding], what: str, run: str) -> Check:
    """Whether a run's artifacts are free of `what`. What could not be read is neither clean nor not."""
    name = f"artifacts of {run}"
    if found:
        places = ", ".join(sorted({each.place for each in found})[:5])
        kinds = ", ".join(sorted({each.kind for each in found}))
        told = f"{len(found)} places hold {what} ({kinds}), such as {places}"
        return Check(name=name, verdict=Verdict.FAIL, reason=told, wanted=f"no {what}")
    if not report.is_complete:
        unread = "; ".join(f"{each.file}: {each.reason}" for each in report.unread[:5])
        return Check(
            name=name, verdict=Verdict.INCONCLUSIVE, reason=f"not everything could be read: {unread}"
        )
    return Check(name=name, verdict=Verdict.PASS, reason=f"no {what} was found in {report.files} files")


def judge_gone(run: str, exists: bool, kept_files: int | None) -> Check:
    """Whether the artifacts are deleted and their evidence is whole."""
    name = f"artifacts of {run}"
    if exists:
        return Check(name=name, verdict=Verdict.FAIL, reason="they are still there", wanted="deleted")
    if kept_files is None:
        return Check(name=name, verdict=Verdict.FAIL, reason="they are gone, and so is the evidence")
    told = f"deleted; {kept_files} files are kept, encrypted"
    return Check(name=name, verdict=Verdict.PASS, reason=told)


def judge_history(repository: str, holds: bool, cleaned: Sequence[str]) -> Check:
    """Whether what was committed is out of the history, or a cleaned one waits for review."""
    name = f"history of {repository}"
    if not holds:
        return Check(name=name, verdict=Verdict.PASS, reason="it holds none of it")
    if cleaned:
        told = (
            f"cleaned branches wait for review: {', '.join(cleaned)}; "
            "forks, caches and pull requests keep what was committed"
        )
        return Check(name=name, verdict=Verdict.PASS, reason=told)
    return Check(name=name, verdict=Verdict.FAIL, reason="it was committed, and no cleaned branch is there")


def judge_rest(work: Sequence[str], done_by_hand: bool) -> Check:
    """Whether what only a person can do was done, by that person's word."""
    name = "what only a person can do"
    if not work:
        return Check(name=name, verdict=Verdict.PASS, reason="nothing")
    if done_by_hand:
        return Check(name=name, verdict=Verdict.PASS, reason=f"said to be done: {'; '.join(work)}")
    return Check(name=name, verdict=Verdict.INCONCLUSIVE, reason="; ".join(work))
