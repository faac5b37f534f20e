"""Places that drills break, each with one fault: set back for every run, and read without Backstop's own undo."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3
import yaml

from blocks.environment import Environment
from flows._release_memory import record
from rules.outcomes import Verdict
from sandbox import reading
from sandbox.test_kit.place import BILLING, INTAKE, QA, KitPlace, dead
from tasks.redis_data import OWN_PREFIX
from tests.crash.sweep import FILES
from tests.flows.drill_world import DrillWorld, make_table
from tests.tasks.lambda_service import REGION

if TYPE_CHECKING:
    from sandbox.stack.stack import DockerStack
    from sandbox.world import Sandbox

TABLE, ALARM, KEYS = "practice-items", "drilled-alarm", 60
UNKNOWN_SERVER = "http://127.0.0.1:9/api"
"""Most drills ask no more of a Prefect server than where it is."""


class DrillPlace(ABC):
    """Something that can be drilled again and again."""

    fault: str
    scenario: str
    server = UNKNOWN_SERVER
    variables: Mapping[str, str] = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    aim: dict[str, str] = {}
    """What the environment's file names beside the fault."""
    parameters: dict[str, str] = {}
    """What the alarm's route gives to the scenario."""

    @abstractmethod
    def fresh(self) -> Environment:
        """Set it back to what it was; where it is."""

    @abstractmethod
    def state(self) -> object:
        """How it stands: after a drill as before it."""

    def drilled(self, described: dict[str, Any]) -> Environment:
        """The environment, whose file allows this drill alone."""
        allowed = {"fault": self.fault, **self.aim}
        return Environment.model_validate({**described, "drills": {"allowed": [allowed]}})

    def routes(self, environment: Environment) -> dict[str, Any]:
        """Which alarm starts the scenario there."""
        account, name = environment.account, environment.name
        route: dict[str, Any] = {"alarm": "*", "scenario": self.scenario, "environment": name}
        route |= {"parameters": self.parameters}
        if account is not None:
            place = {"account": account.account_id, "region": account.region}
            return {"environments": {name: place}, "routes": [route]}
        token = {"source": "environment", "name": "AWS_ACCESS_KEY_ID"}
        senders = {"monitor": {"format": "alertmanager", "token": token}}
        return {"environments": {name: {}}, "senders": senders, "routes": [route | {"source": "monitor"}]}


class BadRelease(DrillPlace):
    """A small service on a moto server."""

    fault, scenario = "broken-release", "canary-failure"

    def __init__(self, address: str) -> None:
        self.address = address
        self.variables = {**DrillPlace.variables, "AWS_ENDPOINT_URL": address}
        self.world: DrillWorld

    def fresh(self) -> Environment:
        self.world = DrillWorld.made(self.address)
        return self.drilled(self.world.environment.model_dump())

    def state(self) -> object:
        return self.world.runs("good")


class SetAlarm(BadRelease):
    """The same, with an alarm that speaks for something else."""

    fault, scenario = "alarm-only", "stuck-alarm"
    aim = {"alarm": ALARM, "scenario": "stuck-alarm"}
    parameters = {"alarm": ALARM}

    def fresh(self) -> Environment:
        environment = super().fresh()
        _put_alarm(boto3.client("cloudwatch", REGION))
        return environment

    def state(self) -> object:
        return super().state(), _alarm(boto3.client("cloudwatch", REGION), ALARM)


class PollutedTable(BadRelease):
    """The same, with a table; its recovery is asked for on a real Prefect server, where it never begins."""

    fault, scenario = "polluted-table", "rollback-failure"
    aim = {"table": TABLE}

    def __init__(self, address: str, server: str) -> None:
        super().__init__(address)
        self.server = server

    def fresh(self) -> Environment:
        self.world = DrillWorld.made(self.address)
        make_table(TABLE, [f"good {number}" for number in range(KEYS)])
        described = self.world.environment.model_dump()
        described["platform"] |= {"tables": [{"name": TABLE, "hash_key": "source_id"}]}
        return self.drilled(described)

    def state(self) -> object:
        items = boto3.client("dynamodb", REGION).scan(TableName=TABLE)["Items"]
        return sorted(items, key=lambda item: str(item["source_id"]))


class HeldLock(DrillPlace):
    """The sandbox's preprod, with its real Terraform state."""

    fault, scenario = "held-lock", "stale-terraform-lock"

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.variables = sandbox, sandbox.variables()
        self.aim = {"alarm": sandbox.place("preprod").lock_alarm}

    def fresh(self) -> Environment:
        self.sandbox.reset()
        text = (self.sandbox.home.environments / "preprod.yaml").read_text(encoding="utf-8")
        environment = self.drilled(yaml.safe_load(text))
        code = {function.name: "0" * 64 for function in environment.lambda_platform.functions}
        record(environment, self.sandbox.release(2), Verdict.PASS, code, "the test")
        return environment

    def state(self) -> object:
        found = reading.read(self.sandbox.home, "preprod")
        return found.lock, found.releases, _alarm(self.sandbox.client("cloudwatch"), self.aim["alarm"])


class KilledGateway(DrillPlace):
    """The Docker stack, on a real engine."""

    fault, scenario = "killed-gateway", "container-start-failure"

    def __init__(self, stack: DockerStack) -> None:
        self.stack = stack
        self.environment: Environment

    def fresh(self) -> Environment:
        from sandbox.stack.environment import described
        from sandbox.stack.moment import Moment

        Moment(self.stack).set_back()
        self.environment = self.drilled({**described(self.stack), "tier": "staging"})
        return self.environment

    def state(self) -> object:
        services = self.environment.docker_stack.services
        return {name: self.stack.container(name).status for name in services}


class LostKeys(KilledGateway):
    """The same stack, whose Redis holds something."""

    fault, scenario = "corrupted-redis", "redis-corruption"

    def fresh(self) -> Environment:
        environment = super().fresh()
        with self._redis() as redis:
            for number, key in enumerate(self._keys):
                redis.set(key, f"value {number}", ex=None if number % 3 else 3600)
        return environment

    def state(self) -> object:
        with self._redis() as redis:
            values: Any = redis.mget(self._keys)
            lasting = [redis.ttl(key) == -1 for key in self._keys]
            away = list(redis.scan_iter(f"{OWN_PREFIX}drill:*", count=1000))
        return values, lasting, away, super().state()

    @property
    def _keys(self) -> list[str]:
        # The gateway keeps keys of its own beside these: it is asked to mask something at every look.
        return [
            f"{self.environment.docker_stack.redis.key_prefixes[0]}held:{number}" for number in range(KEYS)
        ]

    def _redis(self) -> closing[Any]:
        return closing(self.environment.docker_stack.redis.client(None))


class WrongQueue(DrillPlace):
    """The sandbox's qa, where others' messages are in their queues."""

    fault, scenario = "wrong-queue", "wrong-queue-publish"

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, self.place = sandbox, KitPlace(sandbox.home)
        # What it writes among the artifacts lies between two entries of the ledger: it is killed there too.
        self.variables = {**sandbox.variables(), FILES: str(self.place.artifacts)}
        self.aim = {"alarm": ALARM, "queue": self.place.url(BILLING)}

    def fresh(self) -> Environment:
        self.sandbox.reset()
        _put_alarm(self.place.client("cloudwatch"))
        text = (self.sandbox.home.environments / f"{QA}.yaml").read_text(encoding="utf-8")
        return self.drilled(yaml.safe_load(text))

    def state(self) -> object:
        queues = {
            queue: [(message.id, message.visible) for message in self.place.held(queue)]
            for queue in (BILLING, dead(BILLING), INTAKE)
        }
        runs = [path.name for path in self.place.artifacts.iterdir()]
        return queues, runs, _alarm(self.place.client("cloudwatch"), ALARM)


def _put_alarm(client: Any) -> None:
    client.put_metric_alarm(
        AlarmName=ALARM, Namespace="Practice", MetricName="Strays", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    client.set_alarm_state(AlarmName=ALARM, StateValue="OK", StateReason="by the metric")


def _alarm(client: Any, name: str) -> str:
    [found] = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])
