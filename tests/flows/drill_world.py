"""A small service on moto to be drilled, and somebody who recovers it when the drill has broken it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
import httpx
from sqlalchemy import delete

from blocks.environment import Environment
from flows._release_memory import record
from ledger import drills
from ledger.cases import now
from ledger.database import Ledger, open_ledger
from ledger.drill_rows import DrillRow
from ledger.holders import this_process
from ledger.incidents import Opening, close_case, decide_ending, open_case
from ledger.models import ReleaseRow
from rules.outcomes import Ending, Verdict
from tests.tasks.lambda_service import ALIASED, BUCKET, PLAIN, REGION, Service, environment, packaged

SCENARIO, NAME = "canary-failure", "drilled"
Found = TypeVar("Found")
POLICY: dict[str, Any] = {"allowed": [{"fault": "broken-release"}]}
ROUTE = {"alarm": "practice-*", "scenario": SCENARIO, "environment": NAME}
ROUTES = {"environments": {NAME: {"account": "123456789012", "region": REGION}}, "routes": [ROUTE]}


@dataclass
class DrillWorld:
    """Release `good` is live and proven, `bad` is remembered as bad."""

    service: Service
    environment: Environment
    ledger: Ledger

    @classmethod
    def made(cls, address: str = "") -> DrillWorld:
        """On the AWS of this test, or at an address that was emptied first."""
        if address:
            httpx.post(f"{address}/moto-api/reset")
        service, place = Service.deployed(), environment(alarm_prefix=None)
        account = place.aws.model_copy(update={"endpoint_url": address or None})
        told = {**place.model_dump(), "name": NAME, "drills": POLICY, "account": account.model_dump()}
        place = Environment.model_validate(told)
        for release, verdict in (("bad", Verdict.FAIL), ("good", Verdict.PASS)):
            code = {
                PLAIN: service.hash_of("ingestion", release),
                ALIASED: service.hash_of("dashboard", release),
            }
            record(place, release, verdict, code, by="the test")
        world = cls(service, place, open_ledger())
        world.deploy("good")
        return world

    @classmethod
    def there(cls, place: Environment) -> DrillWorld:
        """One that was made by another process."""
        return cls(Service(place), place, open_ledger())

    def deploy(self, release: str) -> None:
        """Put a release live, past Backstop."""
        client = boto3.client("lambda", REGION)
        for name, package in ((PLAIN, "ingestion"), (ALIASED, "dashboard")):
            key = f"{package}/lambda-{release}.zip"
            made = client.update_function_code(FunctionName=name, S3Bucket=BUCKET, S3Key=key, Publish=True)
            if name == ALIASED:
                client.update_alias(FunctionName=name, Name="live", FunctionVersion=made["Version"])

    def put_package(self, release: str) -> None:
        """Build another release."""
        for package in ("ingestion", "dashboard"):
            body = packaged(f"{package} {release}")
            key = f"{package}/lambda-{release}.zip"
            boto3.client("s3", REGION).put_object(Bucket=BUCKET, Key=key, Body=body)

    def replace_package(self, package: str, release: str) -> None:
        """Somebody puts other bytes in the place of a package."""
        key, body = f"{package}/lambda-{release}.zip", packaged("something else")
        boto3.client("s3", REGION).put_object(Bucket=BUCKET, Key=key, Body=body)

    def forget_bad(self) -> None:
        """No release is known to be bad."""
        with self.ledger.session() as session:
            session.execute(delete(ReleaseRow).where(ReleaseRow.release == "bad"))

    def break_function(self) -> None:
        """One function is gone."""
        boto3.client("lambda", REGION).delete_function(FunctionName=PLAIN)

    def runs(self, release: str) -> bool:
        """Whether every function has a release's code, behind the alias and before it."""
        found = {self.service.live(PLAIN), self.service.live(ALIASED), self.service.live(ALIASED, "live")}
        return found == {
            self.service.hash_of("ingestion", release),
            self.service.hash_of("dashboard", release),
        }

    def rows(self) -> list[DrillRow]:
        """Every drill, the newest first."""
        with self.ledger.reading() as session:
            return drills.listed(session)

    def recover(
        self,
        release: str = "good",
        ending: Ending = Ending.RECOVERED,
        scenario: str = SCENARIO,
        alarm: str | None = "alm-1",
    ) -> str:
        """Handle an incident as a recovery does: under the lease, with this end."""
        opening = Opening(scenario, NAME, "staging", 300, opened_by="the alarm", alarm_id=alarm)
        case = open_case(self.ledger, opening, this_process(), 30)
        if release:
            self.deploy(release)
        decide_ending(case, ending, "as the test says", "")
        close_case(case)
        return case.incident_id

    def when_broken(self, then: Callable[[], object]) -> AbstractContextManager[None]:
        """Do something once the drill's fault is there: what an alarm does, or anything else."""
        return when_broken(self.ledger, then)


def when_broken(ledger: Ledger, then: Callable[[], object]) -> AbstractContextManager[None]:
    """Do something once the fault of the newest drill is there."""

    def broken() -> DrillRow | None:
        with ledger.reading() as session:
            rows = drills.listed(session, most=1)
        return rows[0] if rows and rows[0].injected_at and not rows[0].ended_at else None

    return meanwhile(broken, lambda _: then(), 0.02)


@contextmanager
def meanwhile(
    look: Callable[[], Found | None], then: Callable[[Found], object], every_seconds: float
) -> Iterator[None]:
    """Beside the test, do something with the first thing that a look finds; what goes wrong is raised at the end."""
    over, failed = threading.Event(), list[BaseException]()

    def watch() -> None:
        try:
            while not over.wait(every_seconds):
                if (found := look()) is not None:
                    then(found)
                    return
        except BaseException as error:  # noqa: BLE001 - raised in the test
            failed.append(error)

    # The server's address is in this context.
    thread = threading.Thread(target=copy_context().run, args=(watch,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=60)
    if failed:
        raise failed[0]


def time_is_over(world: DrillWorld) -> None:
    """As if the drill had gone on for longer than it may."""
    with world.ledger.session() as session:
        session.get_one(DrillRow, world.rows()[0].id).gives_up_at = now()


def make_table(name: str, texts: Sequence[str]) -> None:
    """A table that remembers its past, with an item of each text under its number."""
    client = boto3.client("dynamodb", REGION)
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "source_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "source_id", "AttributeType": "S"}],
    )
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    for number, text in enumerate(texts):
        client.put_item(TableName=name, Item={"source_id": {"S": str(number)}, "text": {"S": text}})
