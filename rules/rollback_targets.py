"""Which release to return to: never the running one, never a broken one, never one that was not proven.

Runbook sources: 001 scenarios 4 to 6 («find previous successful deployment»), 003 «pick a target by eye».
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from rules.outcomes import Check, Verdict
from rules.values import Frozen

CODE = "code:"
"""In a deployment's evidence, `code:<function>` is the SHA-256 of what was live when it was verified."""


class Deployment(Frozen):
    """One deployment of a release, and what a verification after it said; None: it was never verified."""

    release: str
    deployed_at: datetime
    verdict: Verdict | None = None
    code: dict[str, str] = {}
    """SHA-256 of the live code by function, where it was recorded."""


class Standing(Frozen):
    """Whether a release may be returned to, with the reason either way."""

    release: str
    eligible: bool
    reason: str


class Choice(Frozen):
    """The releases in the order they should be tried; `standings` says why for each, newest first."""

    candidates: tuple[str, ...]
    standings: tuple[Standing, ...]


def running_release(history: Sequence[Deployment], live: Mapping[str, str]) -> str:
    """The name of the release whose recorded code is what is live everywhere; empty when none matches."""
    for deployment in _newest_first(history):
        if live and all(deployment.code.get(function) == sha for function, sha in live.items()):
            return deployment.release
    return ""


def known_broken(history: Sequence[Deployment]) -> tuple[str, ...]:
    """The releases whose last verification failed, the newest first: what a drill may deploy."""
    last: dict[str, Verdict] = {}
    for deployment in _newest_first(history):
        if deployment.verdict is not None:
            last.setdefault(deployment.release, deployment.verdict)
    return tuple(release for release, verdict in last.items() if verdict is Verdict.FAIL)


def judge_one_release(history: Sequence[Deployment], live: Mapping[str, str]) -> Check:
    """Whether every function runs the same recorded release: a deployment that stopped half way can look healthy."""
    name, wanted = "one release", "every function runs the same recorded release"
    running = running_release(history, live)
    if running:
        return Check(
            name=name, verdict=Verdict.PASS, reason=f"all run {running}", wanted=wanted, seen=running
        )
    runs = {function: _recorded_with(history, function, sha) for function, sha in live.items()}
    told = ", ".join(f"{function} runs {release or 'unrecorded code'}" for function, release in runs.items())
    if not any(runs.values()):
        # A release that was just deployed and not proven yet; whether it works is another scenario's question.
        return Check(
            name=name, verdict=Verdict.INCONCLUSIVE, reason=told or "nothing was read", wanted=wanted
        )
    return Check(
        name=name, verdict=Verdict.FAIL, reason=f"a deployment stopped half way: {told}", wanted=wanted
    )


def _recorded_with(history: Sequence[Deployment], function: str, sha256: str) -> str:
    return next((d.release for d in _newest_first(history) if d.code.get(function) == sha256), "")


def choose(history: Sequence[Deployment], live: Mapping[str, str], running: str = "") -> Choice:
    """Judge every release that was ever deployed; the most recently deployed eligible one comes first.

    `live` maps each function to the SHA-256 of its live code, `running` is the name of the running release where
    the service or the ledger knows it.
    """
    order = list(dict.fromkeys(d.release for d in _newest_first(history)))
    standings = tuple(standing(history, release, live, running) for release in order)
    return Choice(candidates=tuple(s.release for s in standings if s.eligible), standings=standings)


def standing(
    history: Sequence[Deployment], release: str, live: Mapping[str, str], running: str = ""
) -> Standing:
    """Whether one release may be returned to. An asked-for release is judged by the same rule."""
    deployments = [d for d in _newest_first(history) if d.release == release]
    if release == running:
        return _no(release, "it is the release that is running")
    if not deployments:
        return _no(release, "it was never deployed here")
    proven = _last_verdict(deployments)
    if proven is None:
        return _no(release, "it was never proven: no verification after its deployment passed")
    if proven.verdict is Verdict.FAIL:
        return _no(release, f"it is broken: its verification failed ({_moment(proven.deployed_at)})")
    if proven.code and live and all(proven.code.get(function) == sha for function, sha in live.items()):
        return _no(release, "its code is what is running")
    return Standing(
        release=release,
        eligible=True,
        reason=f"proven good, last deployed {_moment(deployments[0].deployed_at)}",
    )


def expected_code(history: Sequence[Deployment], release: str) -> dict[str, str]:
    """The code a release was proven with, by function: what its packages must still be."""
    deployments = [d for d in _newest_first(history) if d.release == release and d.verdict is Verdict.PASS]
    return next((dict(d.code) for d in deployments if d.code), {})


def _last_verdict(newest_first: Sequence[Deployment]) -> Deployment | None:
    """The newest deployment with a decisive verdict; an inconclusive one neither proves nor condemns."""
    return next((d for d in newest_first if d.verdict in (Verdict.PASS, Verdict.FAIL)), None)


def _newest_first(history: Sequence[Deployment]) -> list[Deployment]:
    """Of two in the same moment, the one recorded later (later in `history`) counts as newer."""
    numbered = sorted(enumerate(history), key=lambda pair: (pair[1].deployed_at, pair[0]), reverse=True)
    return [deployment for _, deployment in numbered]


def _no(release: str, reason: str) -> Standing:
    return Standing(release=release, eligible=False, reason=reason)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
