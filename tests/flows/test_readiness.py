"""Each precondition broken in turn on the real thing: it turns red, and nothing that is not ready is shown as ready."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

from blocks.docker_host import DockerHost
from blocks.environment import Environment
from blocks.escalation_path import EscalationPath, Level
from blocks.settings import settings
from flows._readiness_looks import LOOKS, look_at
from flows.readiness import Readiness, readiness
from flows.record_release import look_anew
from ledger import levers
from ledger.cases import now
from ledger.database import open_ledger
from rules.readiness import NEEDS, Seen, State, wanted
from rules.retention import Proof
from sandbox import breaking
from sandbox.test_kit.place import KitPlace
from sandbox.world import Sandbox
from tasks.backup_proofs import record_proof
from tests.channels import Channel, kept_in, open_channel
from tests.flows.broken_canary import Production
from tests.flows.broken_stack import BrokenStack
from tests.flows.janitor_world import JanitorWorld
from tests.flows.kit_world import KitWorld
from tests.stored_backups import stored_in

pytestmark = [pytest.mark.real, pytest.mark.slow]

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Channel]:
    """Where people hear of what is not ready."""
    with open_channel() as opened:
        monkeypatch.setenv("NOTICES_URL", opened.address)
        yield opened


@pytest.fixture
def prod(fresh_sandbox: Sandbox, channel: Channel, monkeypatch: pytest.MonkeyPatch) -> Production:
    """Prod with release 2 live, 1 and 2 proven, and somebody who hears of it."""
    for name, value in fresh_sandbox.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BACKSTOP_DELAY_SCALE", "0.05")
    settings.cache_clear()
    production = Production.of(fresh_sandbox)
    path = EscalationPath(
        notices=[kept_in("NOTICES_URL")],
        levels=[Level(after_seconds=300, name="on-call", channels=[kept_in("NOTICES_URL")])],
    )
    production.environment = production.environment.model_copy(update={"escalation": path})
    production.prove(1, 2)
    return production


def of(done: Readiness, scenario: str) -> State:
    """How one scenario stands."""
    [line] = [line for line in done.lines if line.scenario == scenario]
    return line.state


def changed(environment: Environment, **platform: object) -> Environment:
    """The environment with another thing in its platform."""
    return environment.model_copy(update={"platform": environment.platform.model_copy(update=platform)})


def test_each_thing_that_is_broken_turns_red(prod: Production, monkeypatch: pytest.MonkeyPatch) -> None:
    """A healthy production is ready; with any one thing broken the scenarios that need it are not, the others are."""
    sandbox, environment, bucket = prod.sandbox, prod.environment, prod.sandbox.place("prod").bucket
    key = f"dashboard/lambda-{sandbox.release(1)}.zip"
    whole = (sandbox.home.packages / key).read_bytes()
    s3 = sandbox.client("s3")

    @contextmanager
    def package(body: bytes | None) -> Iterator[None]:
        s3.delete_object(Bucket=bucket, Key=key)
        if body is not None:
            s3.put_object(Bucket=bucket, Key=key, Body=body)
        yield
        s3.put_object(Bucket=bucket, Key=key, Body=whole)

    @contextmanager
    def fault(start: Callable[[Sandbox, str], None], end: Callable[[Sandbox, str], None]) -> Iterator[None]:
        start(sandbox, "prod")
        yield
        end(sandbox, "prod")

    @contextmanager
    def lever() -> Iterator[None]:
        with open_ledger().session() as session:
            levers.pull(session, "prod", "jane", "hands off", now())
        yield
        with open_ledger().session() as session:
            levers.let_go(session, "prod")

    @contextmanager
    def full_disk() -> Iterator[None]:
        with monkeypatch.context() as patch:
            usage = shutil.disk_usage("/")._replace(free=1)
            patch.setattr(shutil, "disk_usage", lambda _path: usage)
            yield

    healthy = readiness.fn(environment)
    assert healthy.all_ready, healthy.lines
    assert healthy.seen["prod"]["schema"].state is State.UNKNOWN

    everything = set(NEEDS) & {line.scenario for line in healthy.lines}
    for broken, scenarios, how in (
        ("target release", {"canary-failure"}, package(None)),
        ("target release", {"rollback-failure"}, package(b"not what was proven")),
        ("state lock", {"canary-failure"}, fault(breaking.hold_lock, breaking.release_lock)),
        ("state", {"stale-terraform-lock"}, fault(breaking.lose_state, breaking.find_state)),
        ("stop lever", everything, lever()),
        ("disk", everything, full_disk()),
    ):
        with how:
            done = readiness.fn(environment)
        assert done.seen["prod"][broken].state is State.NOT_READY, (broken, done.seen)
        assert {of(done, scenario) for scenario in scenarios} == {State.NOT_READY}
        unharmed = [s for s in everything - scenarios if broken not in NEEDS[s].preconditions]
        assert {of(done, scenario) for scenario in unharmed} <= {State.READY}, (broken, done.lines)
    assert readiness.fn(environment).all_ready


def test_an_environment_that_is_set_up_wrong(prod: Production, tmp_path: Path) -> None:
    """Another account, no release, no repository, token or channel: each is named; AWS away is unknown, not ready."""
    environment = prod.environment
    terraform, github = environment.lambda_platform.terraform, environment.github
    assert environment.account is not None
    assert github is not None
    gone = github.token.model_copy(update={"name": str(tmp_path / "no-token")})
    no_git = terraform.model_copy(update={"repository": str(tmp_path / "no-repository")})
    no_binary = terraform.model_copy(update={"binary": str(tmp_path / "no-terraform")})
    nowhere = EscalationPath(notices=[kept_in("NOT_SET")])
    for name, wrong, state in (
        ("credentials", {"account": _account(environment, account_id="999999999999")}, State.NOT_READY),
        ("credentials", {"account": _account(environment, endpoint_url=NOBODY)}, State.UNKNOWN),
        ("target release", {"account": _account(environment, endpoint_url=NOBODY)}, None),
        ("alarms", {"account": _account(environment, endpoint_url=NOBODY)}, State.UNKNOWN),
        ("repository", {"github": github.model_copy(update={"token": gone})}, State.NOT_READY),
        ("channels", {"escalation": nowhere}, State.NOT_READY),
        ("channels", {"escalation": EscalationPath()}, State.NOT_READY),
        ("approvers", {"escalation": EscalationPath(), "automatic_up_to": None}, State.NOT_READY),
        ("target release", {"name": "unheard-of"}, State.NOT_READY),
        (
            "terraform",
            {"platform": environment.lambda_platform.model_copy(update={"terraform": no_binary})},
            None,
        ),
        ("state", {"platform": environment.lambda_platform.model_copy(update={"terraform": no_git})}, None),
    ):
        seen = look_at(environment.model_copy(update=wrong), frozenset({name}))[name]
        assert seen.state is not State.READY, (name, seen)
        assert state in (None, seen.state), (name, seen)


def _account(environment: Environment, **other: object) -> object:
    assert environment.account is not None
    return environment.account.model_copy(update=other)


def test_people_hear_once_of_what_is_not_ready(prod: Production, channel: Channel) -> None:
    """Told when it turns red, not while it stays so, again when it turns red anew; who did not hear is told later."""
    environment = prod.environment
    channel.status = 500
    _held(prod, environment)
    tried = len(channel.told)
    channel.status = 200
    _held(prod, environment)
    _held(prod, environment)
    told = len(channel.told) - tried
    breaking.release_lock(prod.sandbox, "prod")
    first = readiness.fn(environment)
    _held(prod, environment)

    assert first.all_ready
    # Each message goes to the notices and to the first level.
    assert (tried, told, len(channel.told)) == (2, 2, 6)
    assert channel.titles[-1] == "prod: a recovery would not work now"
    assert "state lock: held" in channel.told[-1]["message"]
    assert "canary-failure" in channel.told[-1]["message"]
    breaking.release_lock(prod.sandbox, "prod")


def _held(prod: Production, environment: Environment) -> None:
    breaking.hold_lock(prod.sandbox, "prod")
    assert of(readiness.fn(environment), "canary-failure") is State.NOT_READY


def test_a_docker_stack(broken_stack: BrokenStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine and backups: away, another engine's, none, too old, altered, no key, one that brings nothing back."""
    environment = changed(broken_stack.environment, rpo_seconds=86400.0)
    names = wanted(["redis-corruption"]) & {"engine", "backup"}
    store = environment.docker_stack.backups
    host = environment.docker_stack.host
    assert {seen.state for seen in look_at(environment, names).values()} == {State.READY}

    empty = store.model_copy(update={"directory": str(tmp_path / "none")})
    for name, wrong in (
        ("engine", {"host": DockerHost(address="unix:///nowhere.sock")}),
        ("engine", {"host": host.model_copy(update={"engine_id": "another"})}),
        ("backup", {"backups": empty}),
        ("backup", {"rpo_seconds": -86400.0}),
    ):
        assert look_at(changed(environment, **wrong), names)[name].state is not State.READY, name
    data = Path(store.directory or "") / environment.name / broken_stack.backup / "redis.rdb"
    whole = data.read_bytes()
    data.write_bytes(whole[:-1])
    assert look_at(environment, names)["backup"].state is State.NOT_READY, (
        "it was proven, and is another one now"
    )
    data.write_bytes(whole)
    lost = store.model_copy(update={"seal": kept_in("NO_SUCH_KEY")})
    assert look_at(changed(environment, backups=lost), names)["backup"].state is State.NOT_READY
    record_proof.fn(environment, broken_stack.backup, Proof.FAILED)
    assert look_at(environment, names)["backup"].state is State.NOT_READY


def test_a_test_kit(qa: KitPlace, qa_sandbox: Sandbox, tmp_path: Path) -> None:
    """Its folder and its queues; on another host its scenarios are not ready."""
    environment = KitWorld.of(qa_sandbox, qa).environment
    names = frozenset({"kit", "queue"})
    assert {seen.state for seen in look_at(environment, names).values()} == {State.READY}

    kit = environment.test_kit
    other = kit.queues[0].model_copy(update={"url": f"{kit.targets[0]}-gone", "tests_publish": True})
    for name, wrong in (("kit", {"folder": str(tmp_path / "none")}), ("queue", {"queues": [other]})):
        assert look_at(changed(environment, **wrong), names)[name].state is State.NOT_READY, name


def test_every_precondition_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is missing from the looks, and one whose look breaks is unknown."""

    def broken(_environment: Environment) -> Seen:
        raise ZeroDivisionError

    assert wanted(NEEDS) <= LOOKS.keys()
    monkeypatch.setitem(LOOKS, "disk", broken)
    from tests.switchboard import make_environment

    assert look_at(make_environment(), frozenset({"disk"}))["disk"].state is State.UNKNOWN


def test_the_table_in_the_ui(janitor: JanitorWorld, tmp_path: Path) -> None:
    """In a flow run every line is a row of a table artifact, which says since when and what to do."""
    nowhere = changed(stored_in(tmp_path / "backups"), host=DockerHost(address="unix:///nowhere.sock"))

    done = readiness(nowhere)

    wanted_key = ArtifactFilter(key=ArtifactFilterKey(any_=["readiness"]))
    [artifact, *_] = janitor.client.read_artifacts(artifact_filter=wanted_key, sort=ArtifactSort.CREATED_DESC)
    head, *rows = json.loads(str(artifact.data))
    assert head[:4] == ["environment", "scenario", "state", "since (UTC)"]
    assert [row[1] for row in rows] == [line.scenario for line in done.lines]
    assert "Make one: backstop backup." in rows[0][5]


def test_a_recorded_release_is_looked_at_anew(janitor: JanitorWorld) -> None:
    """A pipeline's release may be the next target: a run of `readiness` for its environment is asked for, once."""
    deployment = janitor.deploy("readiness")

    look_anew(janitor.environment, "r1")

    [run] = janitor.runs(deployment)
    assert run.parameters == {"environment": {"$ref": {"block_document_id": janitor.block}}}
