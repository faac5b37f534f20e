"""What a time's incidents say together, read from the ledger."""

from __future__ import annotations

from datetime import datetime

from ledger import drills, past, readiness
from ledger.database import Ledger
from rules.claims import Measured, measured
from rules.drill_records import DrillRecord, drill_records
from rules.readiness import State
from rules.readiness_times import ReadyTime, ready_times
from rules.track_records import Delivery, Record, Share, deliveries, foretold, records
from rules.values import Frozen


class TrackRecord(Frozen):
    """One time's figures. Times are UTC; `until` is no part of it."""

    name: str
    since: datetime
    until: datetime
    records: tuple[Record, ...]
    claims: tuple[Measured, ...]
    deliveries: tuple[Delivery, ...]
    foretold: Share
    """Plans that took no longer than was predicted: 90 to 98 % of them should."""
    readiness: tuple[ReadyTime, ...]
    """For how long of that time each scenario would have worked, where it was looked at."""
    drills: tuple[DrillRecord, ...]
    ready: int
    """Scenarios that would work now, of those that were looked at."""
    looked: int


def read_track_record(ledger: Ledger, name: str, since: datetime, until: datetime) -> TrackRecord:
    """Count what was closed between two moments."""
    with ledger.reading() as session:
        found = past.closed_between(session, since, until)
        deployed = past.deployments(session, since, until)
        seen = ready_times(
            readiness.spans_between(session, since, until), readiness.first_looks(session), since, until
        )
        standings = readiness.listed(session)
        drilled = drills.ended_between(session, since, until)
    return TrackRecord(
        name=name,
        since=since,
        until=until,
        records=tuple(records(found)),
        claims=tuple(measured(found)),
        deliveries=tuple(deliveries(found, deployed)),
        foretold=foretold(found),
        readiness=tuple(seen),
        drills=tuple(drill_records(drilled)),
        ready=sum(row.state == State.READY.value for row in standings),
        looked=len(standings),
    )
