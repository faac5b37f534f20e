"""A small service of two functions on moto, for tests of single tasks."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import Any

import boto3

from blocks.environment import Environment
from blocks.escalation_path import EscalationPath
from blocks.health_endpoint import HealthEndpoint
from blocks.platforms import LambdaFunction, LambdaPlatform
from blocks.secret_reference import SecretReference
from blocks.terraform_workspace import TerraformWorkspace
from rules.severity import Tier

REGION, BUCKET = "us-east-1", "practice-packages"
PLAIN, ALIASED = "practice-ingestion", "practice-dashboard"


def environment(health_url: str | None = None, **changes: Any) -> Environment:
    """The practice environment; the test's own process keeps its made-up credentials."""
    from blocks.aws_account import AwsAccount

    key = SecretReference(source="environment", name="PRACTICE_KEY")
    platform = LambdaPlatform(
        functions=[
            LambdaFunction(name=PLAIN, package="ingestion"),
            LambdaFunction(name=ALIASED, package="dashboard", alias="live"),
        ],
        artifact_bucket=BUCKET,
        health=[HealthEndpoint(name="dashboard", url=health_url, key=key, timeout_seconds=0.5)]
        if health_url
        else [],
        alarm_prefix="practice-",
        terraform=TerraformWorkspace(repository="/nowhere"),
    )
    return Environment(
        name="practice",
        tier=Tier.STAGING,
        account=AwsAccount(account_id="123456789012", region=REGION),
        platform=platform.model_copy(update=changes),
        escalation=EscalationPath(),
    )


def packaged(text: str) -> bytes:
    """A package: the same bytes for the same text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py", (2026, 1, 1, 0, 0, 0)), f"release = {text!r}\n")
    return buffer.getvalue()


@dataclass(slots=True)
class Service:
    """The two functions and their bucket. Use it inside `mock_aws`."""

    environment: Environment

    @classmethod
    def deployed(cls) -> Service:
        """Release `good` and `bad` in the bucket, `bad` live, the dashboard through its alias."""
        s3, functions = boto3.client("s3", REGION), boto3.client("lambda", REGION)
        iam = boto3.client("iam", REGION)
        role = iam.create_role(RoleName="practice", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        s3.create_bucket(Bucket=BUCKET)
        for package in ("ingestion", "dashboard"):
            for release in ("good", "bad"):
                s3.put_object(
                    Bucket=BUCKET,
                    Key=f"{package}/lambda-{release}.zip",
                    Body=packaged(f"{package} {release}"),
                )
        for name, package in ((PLAIN, "ingestion"), (ALIASED, "dashboard")):
            made = functions.create_function(
                FunctionName=name, Runtime="python3.11", Role=role, Handler="app.handler", Publish=True,
                Code={"S3Bucket": BUCKET, "S3Key": f"{package}/lambda-bad.zip"},
            )  # fmt: skip
            if name == ALIASED:
                functions.create_alias(FunctionName=name, Name="live", FunctionVersion=made["Version"])
        return cls(environment())

    def hash_of(self, package: str, release: str) -> str:
        """SHA-256 of a package's bytes."""
        return hashlib.sha256(packaged(f"{package} {release}")).hexdigest()

    def live(self, function: str, qualifier: str = "$LATEST") -> str:
        """SHA-256 of a function's code behind a qualifier."""
        client = boto3.client("lambda", REGION)
        seen = client.get_function_configuration(FunctionName=function, Qualifier=qualifier)
        return base64.b64decode(seen["CodeSha256"]).hex()
