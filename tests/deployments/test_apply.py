"""Applying to a real server: twice is once, what is gone is removed, what is not ours is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound

from blocks.environment import Environment
from deployments.apply import apply_deployments, specification
from deployments.automations import FILE as AUTOMATIONS
from deployments.automations import apply_automations
from deployments.changes import Applied, Kind
from deployments.environments import load_environment
from deployments.prefect_yaml import read_prefect_yaml
from deployments.register import register
from rules.approvals import Policy
from rules.errors import RecoveryRefused

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def client(prefect_server: str) -> Iterator[SyncPrefectClient]:
    """Give a test a client of the session's server."""
    with get_client(sync_client=True) as found:
        yield found


@pytest.fixture
def tag() -> str:
    """Mark what one test makes as its own."""
    return f"apply-{uuid4().hex[:8]}"


def test_deployments_are_created_left_alone_updated_and_removed(
    client: SyncPrefectClient, tmp_path: Path, tag: str
) -> None:
    """Applying twice changes nothing the second time; later files update and remove, but only what is ours."""
    foreign = client.create_deployment(
        client.create_flow_from_name("foreign"), f"foreign-{tag}", tags=["mine"]
    )
    both = _wanted(tmp_path, tag, "one", "two")

    assert _kinds(apply_deployments(client, both, ours=tag)) == [Kind.CREATED, Kind.CREATED]
    assert _kinds(apply_deployments(client, both, ours=tag)) == [Kind.UNCHANGED, Kind.UNCHANGED]

    one = _wanted(tmp_path, tag, "one")
    before = client.read_deployment_by_name("sample-note/one").id
    one["sample-note/one"]["schedules"][0]["cron"] = "0 4 1 * *"
    rehearsed = apply_deployments(client, one, ours=tag, rehearse=True)
    applied = apply_deployments(client, one, ours=tag)

    assert rehearsed == applied
    assert _kinds(applied) == [Kind.UPDATED, Kind.REMOVED]
    assert applied[0].detail == "schedules"
    assert _kinds(apply_deployments(client, one, ours=tag)) == [Kind.UNCHANGED]
    one["sample-note/one"]["concurrency_limit"] = None
    assert apply_deployments(client, one, ours=tag)[0].detail == "concurrency_limit"
    assert _kinds(apply_deployments(client, one, ours=tag)) == [Kind.UNCHANGED]
    assert client.read_deployment_by_name("sample-note/one").id == before
    assert client.read_deployment(foreign).name == f"foreign-{tag}"
    with pytest.raises(ObjectNotFound):
        client.read_deployment_by_name("sample-note/two")
    assert _kinds(apply_deployments(client, {}, ours=tag)) == [Kind.REMOVED]


def test_a_deployment_comes_back_from_a_work_pool(
    client: SyncPrefectClient, tmp_path: Path, tag: str
) -> None:
    """Who goes from workers to the responder keeps the deployment and its runs; it is in no pool any more."""
    pool = client.create_work_pool(WorkPoolCreate(name=tag, type="process")).name
    one = _wanted(tmp_path, tag, "pooled")
    on_workers = {name: spec | {"work_pool_name": pool} for name, spec in one.items()}
    apply_deployments(client, on_workers, ours=tag)
    before = client.read_deployment_by_name("sample-note/pooled")

    applied = apply_deployments(client, one, ours=tag)

    after = client.read_deployment_by_name("sample-note/pooled")
    assert (before.work_pool_name, after.work_pool_name) == (pool, None)
    assert (after.id, len(after.schedules)) == (before.id, 1)
    assert [each.detail for each in applied] == ["work_pool_name"]
    assert _kinds(apply_deployments(client, one, ours=tag)) == [Kind.UNCHANGED]
    assert _kinds(apply_deployments(client, {}, ours=tag)) == [Kind.REMOVED]


def test_a_name_that_another_deployment_has_is_taken_whole(
    client: SyncPrefectClient, tmp_path: Path, tag: str
) -> None:
    """What somebody put into a work pool under our name is in none afterwards: no responder would run it there."""
    pool = client.create_work_pool(WorkPoolCreate(name=f"{tag}-2", type="process")).name
    one = _wanted(tmp_path, tag, "taken")
    theirs = {name: spec | {"work_pool_name": pool, "tags": [f"{tag}-2"]} for name, spec in one.items()}
    apply_deployments(client, theirs, ours=f"{tag}-2")

    apply_deployments(client, one, ours=tag)

    assert client.read_deployment_by_name("sample-note/taken").work_pool_name is None
    assert _kinds(apply_deployments(client, one, ours=tag)) == [Kind.UNCHANGED]
    assert _kinds(apply_deployments(client, {}, ours=tag)) == [Kind.REMOVED]


def test_a_run_that_waits_survives_an_update_of_its_deployment(
    client: SyncPrefectClient, tmp_path: Path, tag: str
) -> None:
    """Escalations are scheduled ahead as runs: an update must not delete them as it does a schedule's runs."""
    from datetime import UTC, datetime, timedelta

    from prefect.client.schemas.objects import State
    from prefect.states import Scheduled

    wanted = _wanted(tmp_path, tag, "waits")
    apply_deployments(client, wanted, ours=tag)
    deployment = client.read_deployment_by_name("sample-note/waits").id
    later: State[Any] = Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=1))
    run = client.create_flow_run_from_deployment(deployment, parameters={"file": "x"}, state=later).id

    wanted["sample-note/waits"]["description"] = "Otherwise."
    assert _kinds(apply_deployments(client, wanted, ours=tag)) == [Kind.UPDATED]

    assert client.read_flow_run(run).state_name == "Scheduled"
    apply_deployments(client, {}, ours=tag)


def test_environments_become_blocks_that_load_whole(
    client: SyncPrefectClient, tmp_path: Path, tag: str
) -> None:
    """An environment is one block with everything in it; twice is once, and what is gone is removed."""
    first, second = _environment(tmp_path, f"{tag}a"), _environment(tmp_path, f"{tag}b")
    note = tag.replace("-", "_")

    assert _kinds(register(client, [first, second], note=note)) == [Kind.CREATED, Kind.CREATED]
    assert _kinds(register(client, [first, second], note=note)) == [Kind.UNCHANGED, Kind.UNCHANGED]
    assert Environment.load(first.name) == first

    changed = first.model_copy(update={"automatic_up_to": Policy.ONE_APPROVER})
    assert _kinds(register(client, [changed], note=note)) == [Kind.UPDATED, Kind.REMOVED]
    with pytest.raises(ValueError, match="Unable to find block"):
        Environment.load(second.name)


def test_a_block_somebody_else_made_is_not_touched(
    client: SyncPrefectClient, tmp_path: Path, tag: str
) -> None:
    """A block of that name that we did not make is an error with a hint, and stays as it is."""
    theirs = _environment(tmp_path, f"{tag}c")
    theirs.save(theirs.name)
    ours = theirs.model_copy(update={"automatic_up_to": Policy.ONE_APPROVER})

    with pytest.raises(RecoveryRefused, match="that Backstop did not make"):
        register(client, [ours], note=tag.replace("-", "_"))

    assert Environment.load(theirs.name) == theirs
    assert register(client, [], note=tag.replace("-", "_")) == []
    assert Environment.load(theirs.name) == theirs


def test_automations_are_never_there_twice(client: SyncPrefectClient, tmp_path: Path, tag: str) -> None:
    """Applying twice makes one; a changed one is replaced, a removed one removed."""
    file = tmp_path / "automations.yaml"
    text = AUTOMATIONS.read_text().replace("[backstop]", f"[{tag}]").replace("Backstop: ", f"{tag}: ")
    file.write_text(text)

    def there() -> list[str]:
        found = client.request("POST", "/automations/filter", json={}).json()
        return [one["name"] for one in found if tag in one["tags"]]

    assert set(_kinds(apply_automations(client, file, ours=tag))) == {Kind.CREATED}
    assert set(_kinds(apply_automations(client, file, ours=tag))) == {Kind.UNCHANGED}
    names = there()
    file.write_text(text.replace("within: 7200", "within: 3600"))
    assert Kind.UPDATED in _kinds(apply_automations(client, file, ours=tag))
    assert there() == names
    file.write_text("automations: []\n")
    assert set(_kinds(apply_automations(client, file, ours=tag))) == {Kind.REMOVED}
    assert there() == []


@pytest.mark.timeout(400)
def test_prefects_own_command_line_deploys_the_same_file(
    prefect_server: str, client: SyncPrefectClient
) -> None:
    """`prefect deploy --all` understands prefect.yaml, with a work pool; the pins let its clients work."""
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    environment = {**os.environ, "BACKSTOP_WORK_POOL": "backstop-cli"}
    for command in (["work-pool", "create", "backstop-cli", "--type", "process"], ["deploy", "--all"]):
        done = subprocess.run(
            [*prefect, *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    found = client.read_deployment_by_name("canary-failure/canary-failure")
    assert found.work_pool_name == "backstop-cli"
    assert found.entrypoint == "flows.canary_failure.recover"
    assert "responder" not in found.tags


def _wanted(folder: Path, tag: str, *names: str) -> dict[str, dict[str, Any]]:
    file = folder / "prefect.yaml"
    entries = [
        f"  - name: {name}\n    entrypoint: tests.deployments.sample_flows.note\n    tags: [backstop]\n"
        "    concurrency_limit: {limit: 1, collision_strategy: CANCEL_NEW}\n"
        '    parameters: {mark: a}\n    schedules: [{slug: monthly, cron: "0 3 1 * *", timezone: Asia/Kolkata}]\n'
        for name in names
    ]
    file.write_text("deployments:\n" + "".join(entries))
    wanted = dict(specification(entry, file) for entry in read_prefect_yaml(file).deployments)
    return {name: spec | {"tags": [tag]} for name, spec in wanted.items()}


def _environment(folder: Path, name: str) -> Environment:
    text = (ROOT / "deployments" / "environments" / "prod.yaml").read_text()
    (folder / f"{name}.yaml").write_text(text.replace("name: prod\n", f"name: {name}\n", 1))
    return load_environment(name, folder)


def _kinds(done: list[Applied]) -> list[Kind]:
    return [one.kind for one in done]
