"""How each thing that recoveries need is taken away on the practice sandbox, and given back."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blocks.environment import Environment
    from sandbox.stack.stack import DockerStack
    from sandbox.world import Sandbox

OF_AWS = frozenset({"credentials", "permissions", "alarms", "target release", "state", "state lock"})
ADDRESS = "BACKSTOP_BENCH_CHANNEL"
WIRE = "a broken precondition"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is taken away, and the preconditions that cannot be ready then; the first of a list is none."""

    name: str
    red: frozenset[str]
    broken: Callable[[], AbstractContextManager[Environment]]
    """The environment as it is looked at; afterwards all is as before."""


class Faults:
    """The faults of one environment, in the order they were added."""

    def __init__(self, healthy: Environment) -> None:
        self.healthy, self.all = healthy, list[Fault]()
        self.add("nothing", "")

    def add(
        self,
        name: str,
        red: str | frozenset[str],
        start: Callable[[], Any] = lambda: None,
        end: Callable[[], Any] = lambda: None,
        **other: Any,
    ) -> None:
        """A fault by a call that makes it and one that mends it, or by other words in the environment's file."""

        @contextmanager
        def broken() -> Iterator[Environment]:
            start()
            try:
                yield self.healthy.model_copy(update=other)
            finally:
                end()

        named = red if isinstance(red, frozenset) else frozenset(filter(None, red.split(", ")))
        self.all.append(Fault(name, named, broken))

    def set_up_wrong(self, name: str, red: str, **platform: Any) -> None:
        """A fault that lies in the platform as the environment's file has it."""
        self.add(name, red, platform=self.healthy.platform.model_copy(update=platform))

    def moved_away(self, name: str, red: str | frozenset[str], path: Path) -> None:
        """A file or folder that is not there."""
        away = path.with_name(f"{path.name}.away")
        self.add(name, red, lambda: path.rename(away), lambda: away.rename(path))

    def rewritten(self, name: str, red: str, path: Path, content: bytes) -> None:
        """A file that holds something else."""
        kept = path.read_bytes()
        self.add(name, red, lambda: path.write_bytes(content), lambda: path.write_bytes(kept))

    def everywhere(self) -> None:
        """What every environment needs."""
        from blocks.escalation_path import EscalationPath
        from ledger import levers
        from ledger.cases import now
        from ledger.database import open_ledger

        def pull() -> None:
            with open_ledger().session() as session:
                levers.pull(session, self.healthy.name, "jane", "hands off", now())

        def let_go() -> None:
            with open_ledger().session() as session:
                levers.let_go(session, self.healthy.name)

        true = shutil.disk_usage
        full = true("/")._replace(free=1)

        def disk(usage: Callable[[Any], Any]) -> None:
            shutil.disk_usage = usage  # type: ignore[assignment]  # no disk is filled: only what it says is changed

        self.add("the disk is full", "disk", lambda: disk(lambda _path: full), lambda: disk(true))
        self.add("the stop lever is on", "stop lever", pull, let_go)
        self.add("nobody is to be told or asked", "channels, approvers", escalation=EscalationPath())
        self.add("the channel's address is not there", "channels", lambda: os.environ.pop(ADDRESS), _listen)
        self.add("the channel does not answer", "channels", _hang_up, _listen)


_listening: list[socket.socket] = []


def with_people(environment: Environment) -> Environment:
    """The environment with somebody who is told and asked, on this machine."""
    from blocks.escalation_path import EscalationPath, Level
    from blocks.secret_reference import SecretReference

    _listen()
    channel = SecretReference(source="environment", name=ADDRESS)
    path = EscalationPath(
        notices=[channel], levels=[Level(after_seconds=300, name="on-call", channels=[channel])]
    )
    return environment.model_copy(update={"escalation": path})


def _listen() -> None:
    if not _listening:
        _listening.append(socket.create_server(("127.0.0.1", 0), backlog=1000))
    os.environ[ADDRESS] = f"json://127.0.0.1:{_listening[0].getsockname()[1]}/"


def _hang_up() -> None:
    _listening.pop().close()


def of_production(box: Sandbox, environment: Environment) -> list[Fault]:
    """Production by Lambda and Terraform: two releases are proven, the second is live."""
    from sandbox import breaking
    from sandbox.aws_front import Rule, change_rules
    from sandbox.places import FOREIGN_ACCOUNT, STATE_BUCKET

    faults, place, s3 = Faults(environment), box.place(environment.name), box.client("s3")

    def on_the_wire(name: str, red: str | frozenset[str], *rules: Rule) -> None:
        faults.add(
            name,
            red,
            lambda: change_rules(box.home.faults, lambda now: [*now, *rules]),
            lambda: change_rules(box.home.faults, lambda now: [rule for rule in now if rule.name != WIRE]),
        )

    def refused(call: str, code: str) -> Rule:
        return Rule(call, "error", code=code, status=403, message=code, name=WIRE)

    key = f"dashboard/lambda-{box.release(1)}.zip"
    whole = (box.home.packages / key).read_bytes()

    def package(body: bytes | None) -> None:
        s3.delete_object(Bucket=place.bucket, Key=key)
        if body is not None:
            s3.put_object(Bucket=place.bucket, Key=key, Body=body)

    def garble_state() -> None:
        breaking.lose_state(box, environment.name)
        s3.put_object(Bucket=STATE_BUCKET, Key=place.state_key, Body=b"{")

    def restore_state() -> None:
        s3.delete_object(Bucket=STATE_BUCKET, Key=place.state_key)
        breaking.find_state(box, environment.name)

    faults.add(
        "the target's package is gone", "target release", lambda: package(None), lambda: package(whole)
    )
    faults.add(
        "the target's package is another one",
        "target release",
        lambda: package(b"no"),
        lambda: package(whole),
    )
    faults.add(
        "no release was ever proven", "target release", lambda: _verdict(None), lambda: _verdict("pass")
    )
    on_the_wire("the credentials are another account's", "credentials", Rule(
        "sts.*", "account", account=FOREIGN_ACCOUNT, name=WIRE))  # fmt: skip
    on_the_wire("the credentials have expired", OF_AWS, refused("*", "ExpiredToken"))
    _without_credentials(faults, box.home.credentials / "access-key-id")
    on_the_wire("AWS cannot be reached", OF_AWS, Rule("*", "drop", name=WIRE))
    on_the_wire(
        "alarms may not be read", "alarms, permissions", refused("cloudwatch.DescribeAlarms", "AccessDenied")
    )
    on_the_wire(
        "the buckets may not be read", "target release, state", refused("s3.GetObject", "AccessDenied")
    )
    faults.add(
        "somebody holds the state's lock",
        "state lock",
        lambda: breaking.hold_lock(box, environment.name),
        lambda: breaking.release_lock(box, environment.name),
    )
    faults.add(
        "Terraform's state is gone",
        "state",
        lambda: breaking.lose_state(box, environment.name),
        lambda: breaking.find_state(box, environment.name),
    )
    faults.add("Terraform's state is garbled", "state", garble_state, restore_state)
    faults.moved_away("the Git repository is gone", "state, state lock", box.home.repository)
    terraform = environment.lambda_platform.terraform
    faults.set_up_wrong(
        "Terraform is not there",
        "terraform",
        terraform=terraform.model_copy(update={"binary": "/nowhere/terraform"}),
    )
    token, github = box.home.credentials / "github-token", environment.github
    if github is not None:
        other = github.token.model_copy(update={"name": str(box.home.credentials / "secret-access-key")})
        revoked = github.model_copy(update={"token": other})
        faults.add("GitHub's token is not valid", "repository", github=revoked)
    faults.moved_away("GitHub's token is gone", "repository", token)
    faults.everywhere()
    return faults.all


def _without_credentials(faults: Faults, file: Path) -> None:
    """As a new process finds it: one that has read the file before goes on with what it holds."""
    from blocks import aws_account

    away = file.with_name("access-key-id.away")

    def forget() -> None:
        for cached in (vars(aws_account)["_session"], vars(aws_account)["_client"]):
            cached.cache_clear()

    def lose() -> None:
        forget()
        file.rename(away)

    def find() -> None:
        away.rename(file)
        forget()

    # Terraform is handed its credentials when it starts: without them not even its version is asked for.
    faults.add("the credentials' file is gone", OF_AWS | {"terraform"}, lose, find)


def _verdict(verdict: str | None) -> None:
    from sqlalchemy import update

    from ledger.database import open_ledger
    from ledger.models import ReleaseRow

    with open_ledger().session() as session:
        session.execute(update(ReleaseRow).values(verdict=verdict))


def of_a_kit(box: Sandbox, environment: Environment) -> list[Fault]:
    """A test kit with its queues."""
    from sandbox.aws_front import Rule, change_rules

    faults, kit = Faults(environment), environment.test_kit
    denied = Rule("sqs.*", "error", code="AccessDenied", status=403, message="no", name=WIRE)
    faults.set_up_wrong("the kit's folder is not on this host", "kit", folder=f"{kit.folder}-gone")
    gone = kit.queues[0].model_copy(update={"url": f"{kit.targets[0]}-gone", "tests_publish": True})
    faults.set_up_wrong("a queue is gone", "queue", queues=[gone])
    faults.add(
        "queues may not be read",
        "queue",
        lambda: change_rules(box.home.faults, lambda now: [*now, denied]),
        lambda: change_rules(box.home.faults, lambda now: [rule for rule in now if rule.name != WIRE]),
    )
    return faults.all


def of_a_stack(stack: DockerStack, environment: Environment, backup: str) -> list[Fault]:
    """A Docker stack with one proven backup."""
    from blocks.docker_host import DockerHost
    from rules.retention import Proof
    from tasks.backup_proofs import record_proof

    faults, platform = Faults(environment), environment.docker_stack
    store = stack.home / "backups" / environment.name

    def proof(found: Proof) -> None:
        record_proof.fn(environment, backup, found)

    nowhere = DockerHost(address=f"unix://{stack.home}/nowhere.sock")
    faults.set_up_wrong("the engine cannot be reached", "engine", host=nowhere)
    other = platform.host.model_copy(update={"engine_id": "another"})
    faults.set_up_wrong("another engine answers", "engine", host=other)
    faults.moved_away("there is no backup", "backup", store)
    faults.set_up_wrong("the newest backup is too old", "backup", rpo_seconds=-3600.0)
    for name, found in (
        ("no backup is proven", Proof.UNTESTED),
        ("the newest brings nothing back", Proof.FAILED),
    ):
        faults.add(name, "backup", partial(proof, found), partial(proof, Proof.PROVEN))
    for file, what in (("redis.rdb", "data"), ("config.env", "configuration")):
        faults.moved_away(f"the backup's {what} is gone", "backup", store / backup / file)
        faults.rewritten(f"the backup's {what} was changed", "backup", store / backup / file, b"garbled")
    key = stack.home / "secrets" / "seal"
    faults.moved_away("the backups' key is gone", "backup", key)
    faults.rewritten("the backups' key is another one", "backup", key, b"A" * 43 + b"=")
    faults.everywhere()
    return faults.all
