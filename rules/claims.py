"""What the runbooks claim of their own procedures, each beside what was measured.

Source: runbook 001 «Quick Reference»; 004 «Success Criteria», «Target Performance», «Performance Benchmarks», «Key
Performance Indicators».
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rules.outcomes import Phase, Verdict
from rules.track_records import (
    Durations,
    Past,
    Share,
    durations,
    false_starts,
    recovered_of,
    recovered_share,
)
from rules.values import Frozen

ENOUGH = 20
"""With fewer measurements nothing is said of a claim but the figures."""


class Measured(Frozen):
    """A claim, and what was measured. Shares are from 0 to 1, times in seconds."""

    claim: str
    source: str
    promised: float
    at_least: bool
    """Whether more is better."""
    seconds: bool
    value: float | None
    low: float | None
    high: float | None
    count: int
    verdict: Verdict


NOT_MEASURED = ("availability above 99.9 %", "no data lost, complete and whole: 100 %")
"""What they promise as well, and the ledger cannot tell."""

_KPI, _RATES = "004 «Key Performance Indicators»", "004 «Performance Benchmarks», success rates"
_TARGETS, _AVERAGES = "004 «Target Performance»", "004 «Performance Benchmarks», averages"
_CRITERIA, _REFERENCE = "004 «Success Criteria»", "001 «Quick Reference»"


def measured(past: Sequence[Past]) -> list[Measured]:
    """Every claim with its figure, in the runbooks' order."""
    stack = [each for each in past if each.scenario == "stack-rollback"]
    forced = [each for each in stack if _is(each, "force")]
    others = [each for each in stack if not _is(each, "force")]
    full = [each for each in others if each.parameters.get("scope") == "full"]
    part = [each for each in others if each.parameters.get("scope") != "full"]
    restored = [each.restore_age for each in past if each.restore_age is not None]
    alarmed = [each for each in past if each.occurred_at is not None]
    by_hand = [each for each in past if each.occurred_at is None]
    return [
        _share("recoveries that succeed", _KPI, 0.95, recovered_share(past)),
        _share("automatic ones that succeed", _RATES, 0.98, recovered_share(alarmed)),
        _share("those by hand that succeed", _RATES, 0.95, recovered_share(by_hand)),
        _share("forced rollbacks that succeed", _RATES, 0.90, recovered_share(forced)),
        _share("false alarms, of all", _KPI, 0.10, false_starts(past), at_least=False),
        _time("time to detect", _KPI, 120, durations(map(_unheard, alarmed))),
        _time("time to recover", _KPI, 300, _taken(past)),
        _time("detection to decision", _TARGETS, 120, durations(map(_decided, recovered_of(stack)))),
        _time("rollback's execution", _TARGETS, 120, _phase(stack, Phase.ACT)),
        _time("validation", _TARGETS, 60, _phase(stack, Phase.VERIFY)),
        _time("rollback of configuration", _AVERAGES, 45, _taken(p for p in part if _is(p, "preserve_data"))),
        _time(
            "configuration and data", _AVERAGES, 90, _taken(p for p in part if not _is(p, "preserve_data"))
        ),
        _time("full rollback", _AVERAGES, 120, _taken(full)),
        _time("forced rollback", _AVERAGES, 60, _taken(forced)),
        _time("a stack is back", _CRITERIA, 120, _taken(stack)),
        _time("age of the data restored", _CRITERIA, 300, durations(restored)),
        _time("a canary's rollback", _REFERENCE, 300, _taken_of(past, "canary-failure")),
        _time("production's rollback", _REFERENCE, 600, _taken_of(past, "production-deploy-failure")),
    ]


def _is(past: Past, name: str) -> bool:
    return past.parameters.get(name) == "true"


def _unheard(past: Past) -> float:
    return max(0.0, (past.opened_at - (past.occurred_at or past.opened_at)).total_seconds())


def _decided(past: Past) -> float:
    return sum(past.phases.get(phase, 0.0) for phase in (Phase.DETECT, Phase.DECIDE))


def _phase(past: Iterable[Past], phase: Phase) -> Durations | None:
    return durations(each.phases[phase] for each in recovered_of(past) if phase in each.phases)


def _taken(past: Iterable[Past]) -> Durations | None:
    return durations(each.to_recover for each in recovered_of(past))


def _taken_of(past: Iterable[Past], scenario: str) -> Durations | None:
    return _taken(each for each in past if each.scenario == scenario)


def _share(claim: str, source: str, promised: float, found: Share, *, at_least: bool = True) -> Measured:
    return Measured(
        claim=claim,
        source=source,
        promised=promised,
        at_least=at_least,
        seconds=False,
        value=found.value,
        low=found.low if found.of else None,
        high=found.high if found.of else None,
        count=found.of,
        verdict=_verdict(found.of, found.low, found.high, promised, at_least=at_least),
    )


def _time(claim: str, source: str, promised: float, found: Durations | None) -> Measured:
    return Measured(
        claim=claim,
        source=source,
        promised=promised,
        at_least=False,
        seconds=True,
        value=found.median if found else None,
        low=found.low if found else None,
        high=found.high if found else None,
        count=found.count if found else 0,
        verdict=_verdict(found.count, found.low, found.high, promised, at_least=False)
        if found
        else Verdict.INCONCLUSIVE,
    )


def _verdict(count: int, low: float, high: float, promised: float, *, at_least: bool) -> Verdict:
    """Kept or broken only where the whole range says so, and enough was measured."""
    if count < ENOUGH:
        return Verdict.INCONCLUSIVE
    kept: Callable[[float], bool] = (lambda v: v >= promised) if at_least else (lambda v: v <= promised)
    if kept(low) and kept(high):
        return Verdict.PASS
    return Verdict.FAIL if not kept(low) and not kept(high) else Verdict.INCONCLUSIVE
