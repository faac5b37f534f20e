"""Whether plans keep to what was predicted of them: how many of the runs that follow stay within the bound.

As the runs came, which has the machine's ups and downs in it and few runs to judge by; and over random orders of the
same runs, which says what the rule itself is worth.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.figures import Figure

ORDERS, SEED = 500, 20_261_128
LEAST, MOST = 90.0, 98.0


def coverage() -> Iterator[Figure]:
    """Of every kind of work that the ledger has proven runs of."""
    kinds = list(_seconds())
    came = [within for seconds in kinds for within in _kept(seconds)]
    chance = random.Random(SEED)  # noqa: S311 - no secret, and repeatable
    shuffled = [
        within
        for seconds in kinds
        for _ in range(ORDERS)
        for within in _kept(chance.sample(seconds, len(seconds)))
    ]
    if not came:
        return
    yield Figure.raw(f"within their prediction, as they came, of {len(came)}", _percent(came), "%")
    told = f"within their prediction, over {ORDERS} orders of {sum(map(len, kinds))} runs"
    yield Figure.between(told, _percent(shuffled), "%", LEAST, MOST)


def _seconds() -> Iterator[list[float]]:
    """From the first action to the proof, of each kind of work, in the order in which they ran."""
    from sqlalchemy import select

    from ledger.database import open_ledger
    from ledger.models import IncidentRow, PlanRow
    from ledger.plans import seconds_taken
    from rules.plans import Plan

    found: dict[tuple[object, ...], list[float]] = defaultdict(list)
    wanted = select(PlanRow, IncidentRow).join(IncidentRow, IncidentRow.id == PlanRow.incident_id)
    with open_ledger().reading() as session:
        for plan, incident in session.execute(wanted.where(IncidentRow.runs == 1).order_by(PlanRow.id)):
            if (took := seconds_taken(plan)) is not None:
                work = Plan.model_validate(plan.body).work
                found[incident.scenario, plan.rung, incident.environment, work].append(took)
    yield from found.values()


def _kept(seconds: Sequence[float]) -> Iterator[bool]:
    """Whether each run stayed within what those before it predicted; the first ones predict nothing."""
    from rules.predictions import predict

    for number, took in enumerate(seconds):
        bound = predict(seconds[:number][::-1], (), 0.0).bound
        if bound is not None:
            yield took <= bound


def _percent(found: Iterable[bool]) -> float:
    told = list(found)
    return 100 * sum(told) / len(told)
