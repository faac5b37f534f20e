"""An independent look at the sandbox: plain AWS calls and HTTP, nothing of Backstop's. Two looks can be compared.

Tests ask it whether a recovery really happened, and whether a rehearsal really changed nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from sandbox.github_stand_in import StandIn
from sandbox.organs import organ_client
from sandbox.places import ALIAS, LOCK_TABLE, STATE_BUCKET, Home, Place
from sandbox.service_checks import Canary


@dataclass(frozen=True, slots=True)
class FunctionReading:
    """One function as AWS holds it, and what it answers."""

    code_sha256: str
    """Of the newest code, base64."""
    version: str
    """What callers get: the alias's version, or $LATEST."""
    served_sha256: str
    """Of the code that callers get."""
    memory: int
    """Megabytes."""
    tagged_release: str
    """What Terraform says it deployed."""
    healthy: bool
    answering_release: str
    """What the running code says it is; empty when it does not answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything of one environment that a recovery may touch."""

    functions: dict[str, FunctionReading]
    alarms: dict[str, str]
    """State of every alarm, metric and composite."""
    lock: str
    """Who holds the Terraform lock, as the lock says; empty when it is free."""
    state_sha256: str
    """Of the Terraform state; empty when there is none."""
    items: int
    """In the table."""
    packages: dict[str, str]
    """Hash of every package in the bucket, by key."""
    secret_version: str
    """Which version of the API key is current."""
    attempts: dict[str, list[str]]
    """How each attempt of each workflow run ended, by the run's number; how the newest one stands is left out."""
    comments: dict[str, list[str]]
    """What was said on each issue and pull request, by its number."""

    @property
    def releases(self) -> set[str]:
        """The releases that answer."""
        return {function.answering_release for function in self.functions.values()}

    @property
    def healthy(self) -> bool:
        """Every function is healthy and every alarm is OK."""
        return all(f.healthy for f in self.functions.values()) and set(self.alarms.values()) == {"OK"}

    def differences(self, other: Reading) -> dict[str, tuple[Any, Any]]:
        """What differs in the other reading: name, here, there."""
        here, there = _flat(asdict(self)), _flat(asdict(other))
        names = sorted(here.keys() | there.keys())
        return {
            name: (here.get(name), there.get(name)) for name in names if here.get(name) != there.get(name)
        }


def read(home: Home, environment: str) -> Reading:
    """Look at an environment now."""
    place, endpoint = Place(environment), home.addresses().aws_url

    def client(service: str) -> Any:
        return organ_client(service, endpoint)

    alarms = client("cloudwatch").describe_alarms(
        AlarmNamePrefix=place.alarm_prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    lock = client("dynamodb").get_item(
        TableName=LOCK_TABLE, Key={"LockID": {"S": place.lock_id}}, ConsistentRead=True
    )
    secret = client("secretsmanager").describe_secret(SecretId=place.secret)
    stages = secret.get("VersionIdsToStages", {})
    github = StandIn(home.addresses().github_url).seen()
    return Reading(
        functions=_functions(home, place, client("lambda")),
        alarms={
            a["AlarmName"]: a["StateValue"] for a in (*alarms["MetricAlarms"], *alarms["CompositeAlarms"])
        },
        lock=lock.get("Item", {}).get("Info", {}).get("S", ""),
        state_sha256=_sha256(client("s3"), STATE_BUCKET, place.state_key),
        items=client("dynamodb").scan(TableName=place.table, Select="COUNT")["Count"],
        packages=_packages(client("s3"), place.bucket),
        secret_version=next((version for version, names in stages.items() if "AWSCURRENT" in names), ""),
        attempts={
            run: [*(str(attempt["conclusion"]) for attempt in attempts[:-1]), "newest"]
            for run, attempts in github["runs"].items()
        },
        comments={number: thread["comments"] for number, thread in github["threads"].items()},
    )


def _functions(home: Home, place: Place, aws: Any) -> dict[str, FunctionReading]:
    healths = Canary(home, place).healths()
    found = {}
    for package, name in place.functions.items():
        newest = aws.get_function(FunctionName=name)
        served = aws.get_function(FunctionName=name, Qualifier=ALIAS) if package == "dashboard" else newest
        found[name] = FunctionReading(
            code_sha256=newest["Configuration"]["CodeSha256"],
            version=served["Configuration"]["Version"],
            served_sha256=served["Configuration"]["CodeSha256"],
            memory=newest["Configuration"]["MemorySize"],
            tagged_release=newest.get("Tags", {}).get("release", ""),
            healthy=healths[name].healthy,
            answering_release=healths[name].release,
        )
    return found


def _packages(s3: Any, bucket: str) -> dict[str, str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}


def _sha256(s3: Any, bucket: str, key: str) -> str:
    try:
        return hashlib.sha256(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).hexdigest()
    except s3.exceptions.NoSuchKey:
        return ""


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted names."""
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat |= _flat(inner, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = inner
    return flat
