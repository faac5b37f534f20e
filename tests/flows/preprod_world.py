"""Preprod of the sandbox for tests of its Terraform: set up, and read without Backstop's own code."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from blocks.environment import Environment
from flows._release_memory import record
from rules.outcomes import Verdict
from sandbox import deploying
from sandbox.places import STATE_BUCKET
from sandbox.world import Sandbox
from tasks.release_packages import package_of


@dataclass(slots=True)
class Preprod:
    """The sandbox's preprod."""

    sandbox: Sandbox
    environment: Environment

    @classmethod
    def of(cls, sandbox: Sandbox) -> Preprod:
        """As its environment file describes it, with release 2 proven and an item in its table."""
        text = (sandbox.home.environments / "preprod.yaml").read_text(encoding="utf-8")
        environment = Environment(**yaml.safe_load(text))
        good = sandbox.release(2)
        code = {
            f.name: package_of(environment, f.name, good).sha256
            for f in environment.lambda_platform.functions
        }
        record(environment, good, Verdict.PASS, code, "the test")
        item = {"source_id": {"S": "kept"}, "timestamp": {"S": "2026-01-01"}}
        sandbox.client("dynamodb").put_item(TableName=sandbox.place("preprod").table, Item=item)
        return cls(sandbox, environment)

    def checked_out(self, release: str) -> Path:
        """A release's infrastructure code, initialised as the pipeline does."""
        folder = self.sandbox.home.path / "run" / "pipeline" / "preprod"
        deploying.check_out(self.sandbox.home, release, folder)
        where = folder / "infrastructure"
        self.terraform(where, "init", "-input=false", "-backend-config=backend-preprod.hcl")
        return where

    def terraform(self, where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Terraform as the pipeline does."""
        return subprocess.run(
            [self.sandbox.terraform, *arguments],
            cwd=where,
            env=self.variables(),
            check=False,
            capture_output=True,
            text=True,
        )

    def variables(self) -> dict[str, str]:
        """The pipeline's environment."""
        quiet = {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
        return os.environ | self.sandbox.variables() | quiet

    def clean(self, release: int = 2) -> bool:
        """Whether Terraform, run as the pipeline would, has nothing left to change for a release."""
        name = self.sandbox.release(release)
        given = ["-var-file=preprod.tfvars", f"-var=model_version={name}"]
        done = self.terraform(self.checked_out(name), "plan", "-input=false", "-detailed-exitcode", *given)
        return done.returncode == 0

    def destroy(self) -> None:
        """Everything is gone, as before a first deployment."""
        name = self.sandbox.release(2)
        where = self.checked_out(name)
        given = ["-var-file=preprod.tfvars", f"-var=model_version={name}"]
        done = self.terraform(where, "destroy", "-auto-approve", "-input=false", *given)
        assert done.returncode == 0, done.stderr

    def saved_state(self) -> dict[str, object]:
        """The state in the bucket."""
        key = self.sandbox.place("preprod").state_key
        body = self.sandbox.client("s3").get_object(Bucket=STATE_BUCKET, Key=key)["Body"].read()
        state: dict[str, object] = json.loads(body)
        return state

    def created(self) -> dict[str, object]:
        """When the table was made, and how many versions each function has: more, if something was made twice."""
        table = self.sandbox.place("preprod").table
        made = self.sandbox.client("dynamodb").describe_table(TableName=table)["Table"]["CreationDateTime"]
        client = self.sandbox.client("lambda")
        versions = Counter(
            {
                name: len(client.list_versions_by_function(FunctionName=name)["Versions"])
                for name in self.sandbox.place("preprod").functions.values()
            }
        )
        return {"table": made, **versions}
