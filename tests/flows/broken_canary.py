"""A production whose canary failed: release 3 is live on the sandbox, releases 1 and 2 were proven before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import yaml
from sqlalchemy import select

from blocks.environment import Environment
from flows._release_memory import record
from ledger.database import open_ledger
from ledger.models import StepRow
from rules.outcomes import Outcome, Verdict
from sandbox.places import LOCK_TABLE, STATE_BUCKET
from sandbox.world import Sandbox

MOMENT = "canary-failed"


@dataclass(slots=True)
class Production:
    """The sandbox's prod, and how it is read without any of Backstop's own code."""

    sandbox: Sandbox
    environment: Environment

    @classmethod
    def of(cls, sandbox: Sandbox) -> Production:
        """Prod as its environment file describes it."""
        text = (sandbox.home.environments / "prod.yaml").read_text(encoding="utf-8")
        return cls(sandbox, Environment(**yaml.safe_load(text)))

    def prove(self, *numbers: int, verdict: Verdict = Verdict.PASS) -> None:
        """Write into the ledger that releases were deployed and verified, in this order."""
        for number in numbers:
            release = self.sandbox.release(number)
            code = {name: self.package_hash(name, number) for name in self.functions}
            record(self.environment, release, verdict, code, "the test")

    @property
    def functions(self) -> dict[str, str]:
        """Package by function name."""
        return {name: package for package, name in self.sandbox.place("prod").functions.items()}

    def package_hash(self, function: str, number: int) -> str:
        """SHA-256 of a release's package, from its bytes on disk."""
        file = (
            self.sandbox.home.packages
            / self.functions[function]
            / f"lambda-{self.sandbox.release(number)}.zip"
        )
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def runs(self, number: int) -> bool:
        """Whether callers of every function get a release's code."""
        return self.live() == {name: self.package_hash(name, number) for name in self.functions}

    def live(self) -> dict[str, str]:
        """SHA-256 of what callers of each function get."""
        client, found = self.sandbox.client("lambda"), {}
        for name in self.functions:
            qualifier = {"Qualifier": "live"} if name.endswith("dashboard") else {}
            seen = client.get_function_configuration(FunctionName=name, **qualifier)
            found[name] = _hexadecimal(seen["CodeSha256"])
        return found

    def memory(self) -> set[int]:
        """The memory sizes of the functions: part of the infrastructure, not of the code."""
        client = self.sandbox.client("lambda")
        return {client.get_function_configuration(FunctionName=name)["MemorySize"] for name in self.functions}

    def versions(self) -> dict[str, int]:
        """How many versions each function has: one more for each time its code was set and published."""
        client = self.sandbox.client("lambda")
        return {
            name: len(client.list_versions_by_function(FunctionName=name)["Versions"])
            for name in self.functions
        }

    def lock(self) -> dict[str, Any] | None:
        """The Terraform state's lock, or None."""
        key = {"LockID": {"S": self.sandbox.place("prod").lock_id}}
        item: dict[str, Any] | None = (
            self.sandbox.client("dynamodb").get_item(TableName=LOCK_TABLE, Key=key).get("Item")
        )
        return item

    def everything(self) -> object:
        """All that a recovery could change."""
        state = self.sandbox.client("s3").get_object(
            Bucket=STATE_BUCKET, Key=self.sandbox.place("prod").state_key
        )
        return (self.live(), self.memory(), self.versions(), self.lock(), state["Body"].read())


def _hexadecimal(code_sha256: str) -> str:
    import base64

    return base64.b64decode(code_sha256).hex()


def steps(outcome: Outcome) -> list[tuple[str, str, str | None]]:
    """The journal of an incident: action, subject, result."""
    with open_ledger().reading() as session:
        rows = session.scalars(
            select(StepRow).where(StepRow.incident_id == outcome.incident).order_by(StepRow.id)
        )
        return [(row.action, row.subject, row.result) for row in rows]


def with_terraform(environment: Environment, **changes: object) -> Environment:
    """The same environment with other Terraform settings."""
    terraform = environment.lambda_platform.terraform.model_copy(update=changes)
    return environment.model_copy(
        update={"platform": environment.platform.model_copy(update={"terraform": terraform})}
    )
