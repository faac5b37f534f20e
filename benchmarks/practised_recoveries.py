"""Recoveries practised over and over on the practice world, and the report over them: what was promised, beside it.

Each round breaks something for real, waits for the alarm where there is one, and lets the scenario's own flow recover.
`REPORT=folder` keeps the report, and `promises.json` for the README: `make docs` writes its table from that file.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure
from benchmarks.practice import practice_sandbox
from benchmarks.prediction_coverage import coverage

if TYPE_CHECKING:
    from blocks.environment import Environment
    from flows._ladder import Request
    from flows._track_record import TrackRecord
    from rules.outcomes import Outcome
    from sandbox.world import Sandbox

ROUNDS = 20
GOOD = 2
ALARM_SECONDS = 30.0
COMMAND = "make bench ONLY=practised_recoveries REPORT=docs/measured && make docs"


def measure() -> Iterator[Figure]:
    """Three scenarios, each as often as the report needs to say more than the figures."""
    with practice_sandbox() as box:
        from flows.report import report
        from ledger.cases import now
        from rules.outcomes import Ending
        from rules.report_periods import Period

        began = now().date()
        outcomes = [*_canaries(box), *_stacks(box)]
        recovered = sum(outcome.ending is Ending.RECOVERED for outcome in outcomes)
        period = Period.DAY if now().date() == began else Period.MONTH
        done = report.fn(period, _after(now().date(), period))
        told = _told(done.data)
        if folder := os.environ.get("REPORT"):
            _keep(Path(folder), done.page, told, began)
        foreseen = list(coverage())
    yield Figure.exactly("recovered", recovered, "", len(outcomes))
    for record in told.records:
        if record.to_recover:
            name = f"{record.environment}, {record.scenario}"
            yield Figure.at_most(f"{name}: median", record.to_recover.median, "s", record.promised)
            yield Figure.raw(f"{name}: p95 of {record.to_recover.count}", record.to_recover.p95, "s")
    yield from foreseen


def _after(today: date, period: object) -> date:
    """The day before which the last whole period has today in it."""
    return today + timedelta(days=1 if period == "day" else 32)


def _canaries(box: Sandbox) -> Iterator[Outcome]:
    """A release whose canary fails is deployed with Terraform; CloudWatch's alarm starts the recovery."""
    from deployments.environments import load_environment
    from flows.canary_failure import recover
    from flows.record_release import record_release
    from rules.outcomes import Verdict
    from sandbox import faults

    prod = load_environment("prod", box.home.environments)
    box.deploy("prod", GOOD)
    box.wait_until_green("prod")
    if record_release.fn(prod, box.release(GOOD)).verdict is not Verdict.PASS:
        raise RuntimeError("the good release is not proven")
    for _ in range(ROUNDS):
        faults.start(box, "bad-release", "prod")
        yield recover.fn(prod, request=_by_alarm(prod))
        box.wait_until_green("prod")


def _by_alarm(environment: Environment) -> Request:
    """The alarm that fires, kept as if it had been delivered."""
    from flows._alarm_intake import routed
    from flows._ladder import Request
    from ledger import alarms
    from ledger.cases import now
    from ledger.database import open_ledger
    from rules.triggers import AlarmRoutes, Place, Route
    from tasks.standing_alarms import firing_in_cloudwatch

    account = environment.aws
    table = AlarmRoutes(
        environments={environment.name: Place(account=account.account_id, region=account.region)},
        routes=(Route(alarm="*", scenario="canary-failure", environment=environment.name),),
    )
    give_up = time.monotonic() + ALARM_SECONDS
    while not (firing := firing_in_cloudwatch.fn(environment)):
        if time.monotonic() > give_up:
            raise RuntimeError("no alarm fires")
        time.sleep(0.1)
    kept = routed(firing[0], table, now())
    alarms.store(open_ledger(), [kept])
    return Request(requested_by="alarm", alarm=kept.id)


def _stacks(box: Sandbox) -> Iterator[Outcome]:
    """A stack whose release is bad, and one whose data is lost, with a backup as new as they always have."""
    from deployments.environments import load_environment
    from flows import redis_corruption, stack_rollback
    from flows._ladder import Request
    from rules.backups import BackupKind
    from rules.retention import Proof
    from sandbox import faults
    from sandbox.stack.moment import Moment
    from tasks.backup_proofs import record_proof
    from tasks.backups import Occasion, take_backup

    stack = box.stack
    masking = load_environment("masking", box.home.environments)
    asked = Request(requested_by="jane", reason="practice", break_glass="practice: nobody is there to agree")
    ways: tuple[tuple[str, Callable[..., Outcome]], ...] = (
        ("bad-stack-release", stack_rollback.recover.fn),
        ("redis-data-lost", redis_corruption.recover.fn),
    )
    for fault, recover in ways:
        for _ in range(ROUNDS):
            Moment(stack).set_back()
            backup = take_backup.fn(masking, Occasion(kind=BackupKind.DEPLOY)).id
            record_proof.fn(masking, backup, Proof.PROVEN)
            faults.start(box, fault, "masking")
            yield recover(masking, request=asked)


def _told(data: Path) -> TrackRecord:
    from flows._track_record import TrackRecord

    return TrackRecord.model_validate_json(data.read_text(encoding="utf-8"))


def _keep(folder: Path, page: Path, told: TrackRecord, day: date) -> None:
    """Keep the page, and what the README shows of it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(page, folder / "report.html")
    measured = {
        "day": day.isoformat(),
        "command": COMMAND,
        "cores": len(os.sched_getaffinity(0)),
        "incidents": sum(record.incidents for record in told.records),
        "claims": [claim.model_dump(mode="json") for claim in told.claims],
        "foretold": told.foretold.model_dump(mode="json"),
    }
    text = json.dumps(measured, indent=1, ensure_ascii=False) + "\n"
    (folder / "promises.json").write_text(text, encoding="utf-8")
