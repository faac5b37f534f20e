"""How long a plan will take, told from how long the same work took before, and how far that is to be trusted.

The bound is the measured time that the next run stays within with the probability that is wanted, whatever the times
are distributed like (`k` of `n` covers `k / (n + 1)`). Of fewer than nineteen runs even the slowest covers less: then
the bound lies beyond it by a share of its distance to the second slowest. That share makes the wanted probability exact
where slow runs become rarer exponentially, and nearly so for other times. A percentile of few runs would promise more
than it keeps: the 95th of ten runs holds nine times of eleven.

Source: runbook 004 «Escalation Matrix» («if automated fails»), «Performance Benchmarks».
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from rules.values import Frozen

ENOUGH = 9
"""With fewer runs the bound would lie beyond the slowest by more than its whole distance to the second."""

NEWEST = 99
"""So many runs are looked at: the newest ones, because what a plan works on grows and changes."""

_SURE_OF_100 = 95


class Prediction(Frozen):
    """How long a plan takes from its first action to its proof, in seconds; waiting for people is no part of it."""

    runs: int
    """How many earlier ones it rests on."""
    promised: float
    """What the runbook promises of the whole incident: what counts where too few ran."""
    middle: float | None = None
    """Half of the runs take longer; None: not known yet."""
    bound: float | None = None
    """The next run stays within it with the probability `covers`; None: not known yet."""
    covers: float = 0.0
    everywhere: bool = False
    """Too few ran in this environment: the runs of all environments are counted."""

    @property
    def limit(self) -> float:
        """After so many seconds it is late: the bound, or the promise while that is not known."""
        return self.promised if self.bound is None else self.bound


def predict(here: Sequence[float], everywhere: Sequence[float], promised: float) -> Prediction:
    """Predict from the seconds that the same work took, the newest first: in this environment, else in all of them."""
    anywhere = len(here) < ENOUGH
    runs = (everywhere if anywhere else here)[:NEWEST]
    count = len(runs)
    if count < ENOUGH:
        return Prediction(runs=count, promised=promised, everywhere=anywhere and count > len(here))
    ordered, rank = sorted(runs), rank_of(count)
    beyond = _share_beyond(count) * (ordered[-1] - ordered[-2])
    return Prediction(
        runs=count,
        promised=promised,
        middle=round(median(runs), 3),
        bound=round(ordered[rank - 1] + beyond, 3),
        covers=round(max(rank / (count + 1), _SURE_OF_100 / 100), 3),
        everywhere=anywhere,
    )


def rank_of(count: int) -> int:
    """The rank, from 1, of the measured time that covers 95 of 100 further ones; the last one where none does."""
    return min(count, -(-_SURE_OF_100 * (count + 1) // 100))


def _share_beyond(count: int) -> float:
    """The share of the two slowest runs' distance that the bound lies beyond the slowest; 0 where that is enough.

    A share `a` is exceeded by one of `(1 + a) * (count + 1)` runs.
    """
    return max(0.0, 100 / (100 - _SURE_OF_100) / (count + 1) - 1)
