"""From an alarm to a recovered environment: server, responder and receiver as `backstop up` runs them.

`make test` tries the cheapest route beside two failed deployments; `make trial` every route that is shipped.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from sqlalchemy import select

from blocks.environment import Environment
from blocks.settings import settings
from cli.drill import start
from deployments.environments import load_environment
from deployments.stack import Stack
from flows._release_memory import record
from ledger.database import open_ledger
from ledger.models import IncidentRow
from rules.outcomes import Verdict
from sandbox import breaking, faults, kit_reading
from sandbox.organs import organ_client
from sandbox.places import ACCOUNT, ENVIRONMENTS, REGION, Place
from sandbox.practice import PRACTICES, Practice
from sandbox.reading import read
from sandbox.stack_organ import MASKING
from sandbox.test_kit.place import QA, TOPIC
from sandbox.world import Sandbox
from tasks.release_packages import package_of
from tests.practising import given
from tests.real.deliveries import VARIABLES, Delivery, delivery
from tests.webhooks.github_rig import PREPROD, job, signed

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.xdist_group("alarm_routes"),
    pytest.mark.timeout(720),
]

ROOT = Path(__file__).parents[2]
SHIPPED: dict[str, Any] = yaml.safe_load((ROOT / "deployments/alarm_routes.yaml").read_text())
LOCKED = {
    "alarm": Place("preprod").lock_alarm,
    "scenario": "stale-terraform-lock",
    "environment": "preprod",
}
FIRST = {practice.scenario: practice for practice in reversed(PRACTICES)}
CHEAPEST = "dev-test-failure"
CHOSEN = [
    route for route in SHIPPED["routes"] if os.getenv("BACKSTOP_TRIAL") or route["scenario"] == CHEAPEST
]


@pytest.fixture(scope="module")
def stack(
    sandbox: Sandbox, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Everything of one machine with the shipped routes, for the sandbox's account; release 2 is proven good, 3 bad."""
    if any(route["environment"] == MASKING for route in CHOSEN):
        request.getfixturevalue("masking_too")
    sandbox.reset()
    home = tmp_path_factory.mktemp("alarms")
    routes = home / "routes.yaml"
    accounts = {name: {"account": ACCOUNT, "region": REGION} for name in (*ENVIRONMENTS, QA)} | {MASKING: {}}
    topics = [*(Place(name).topic for name in ENVIRONMENTS), TOPIC]
    told = {"environments": accounts, "topics": topics, "routes": [LOCKED, *SHIPPED["routes"]]}
    routes.write_text(yaml.safe_dump(SHIPPED | told))
    extra = VARIABLES | {
        "BACKSTOP_WEBHOOK_ROUTES": str(routes),
        "BACKSTOP_WEBHOOK_CERTIFICATE_HOST": urlsplit(sandbox.home.addresses().certificate_url).netloc,
        "BACKSTOP_WEBHOOK_CERTIFICATE_CA": str(sandbox.home.certificate),
        "BACKSTOP_DELAY_SCALE": "0.3",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PREFECT_API")]:
            patch.delenv(name)
        for name, value in {**sandbox.variables(), "BACKSTOP_HOME": str(home)}.items():
            patch.setenv(name, value)
        settings.cache_clear()
        for name in ENVIRONMENTS:
            for number, verdict in ((3, Verdict.FAIL), (2, Verdict.PASS)):
                remember(load_environment(name), sandbox.release(number), verdict)
        parts = Stack(
            home, prefect_port=0, webhook_port=0, environments=sandbox.home.environments, extra=extra
        )
        parts.start()
        try:
            yield parts
        finally:
            parts.stop()
    settings.cache_clear()


def remember(place: Environment, release: str, verdict: Verdict) -> None:
    """What became of a release that was deployed before."""
    packages = {f.name: package_of(place, f.name, release).sha256 for f in place.lambda_platform.functions}
    record(place, release, verdict, packages, by="the tests")


def ended(
    stack: Stack, scenario: str, environment: str, begun: datetime, seconds: float = 420.0
) -> IncidentRow:
    """The scenario's incident, once it is closed."""
    wanted = select(IncidentRow).where(
        IncidentRow.scenario == scenario,
        IncidentRow.environment == environment,
        IncidentRow.opened_at >= begun,
        IncidentRow.closed_at.is_not(None),
    )
    ledger, give_up = open_ledger(f"sqlite:///{stack.home / 'ledger.db'}"), time.monotonic() + seconds
    while time.monotonic() < give_up:
        with ledger.reading() as session:
            row = session.scalars(wanted).first()
            if row is not None:
                session.expunge(row)
                return row
        time.sleep(0.2)
    raise AssertionError(f"{scenario} did not end in {environment}")


def deliver(stack: Stack, sender: str, told: Delivery) -> None:
    """Deliver, and see that it was taken."""
    body, headers = told
    answer = httpx.post(f"{stack.webhook_address}/alarms/{sender}", content=body, headers=headers)
    assert answer.json()["alarms"][0]["result"] == "stored", answer.text


def name_of(route: dict[str, Any]) -> str:
    """What a route's test is called."""
    return f"{route.get('source', 'sns')}-{route['scenario']}-in-{route['environment']}"


@pytest.mark.parametrize("route", CHOSEN, ids=name_of)
def test_an_alarm_recovers_its_environment(
    stack: Stack, fresh_sandbox: Sandbox, route: dict[str, Any]
) -> None:
    """What the route waits for happens, its sender proves itself and tells of it, and the scenario recovers."""
    begun, environment = datetime.now(UTC), route["environment"]
    practice: Practice = FIRST[route["scenario"]].model_copy(update={"environment": environment})
    if "source" not in route:
        fresh_sandbox.subscribe(f"{stack.webhook_address}/alarms/sns")
    try:
        for fault in practice.faults:
            faults.start(fresh_sandbox, fault, environment)
        if "source" in route:
            deliver(stack, route["source"], delivery(route, given(fresh_sandbox, practice)))

        incident = ended(stack, route["scenario"], environment, begun)
    finally:
        fresh_sandbox.subscribe("")

    assert incident.ending == "recovered", incident.ending_reason
    assert not incident.rehearsal
    if environment == MASKING:
        assert fresh_sandbox.stack.ask("ready") == "ready"
        return
    if environment == QA:
        assert kit_reading.read(fresh_sandbox.home).alive == ()
        return
    fresh_sandbox.wait_until_green(environment)
    found = read(fresh_sandbox.home, environment)
    assert (found.releases, found.lock) == ({fresh_sandbox.release(2)}, "")


def test_two_failed_deployments_are_recovered_at_once(stack: Stack, fresh_sandbox: Sandbox) -> None:
    """GitHub tells of two failed deployments: production is whole again, preprod is finished with that very commit."""
    begun = datetime.now(UTC)
    breaking.deploy_half(fresh_sandbox, "prod")
    breaking.lose_state(fresh_sandbox, "preprod")
    deploy, now = "Deploy to Production", f"{begun:%Y-%m-%dT%H:%M:%SZ}"
    for told in (
        job(deploy, workflow_name=deploy, id=1, head_sha=fresh_sandbox.release(3), completed_at=now),
        job("Deploy to Preprod", id=2, head_sha=fresh_sandbox.release(2), completed_at=now),
    ):
        deliver(stack, "github", signed(told))

    first = ended(stack, "production-deploy-failure", "prod", begun)
    second = ended(stack, "preprod-terraform-failure", "preprod", begun)

    assert (first.ending, second.ending) == ("recovered", "recovered"), (
        first.ending_reason,
        second.ending_reason,
    )
    assert read(fresh_sandbox.home, "prod").releases == {fresh_sandbox.release(2)}
    assert first.reason == f"{deploy} / {deploy}"
    assert second.reason == f"{PREPROD} / Deploy to Preprod"
    assert second.parameters == {"release": fresh_sandbox.release(2)}


DRILLED = ["broken-release", "alarm-only", *(["held-lock"] if os.getenv("BACKSTOP_TRIAL") else [])]


@pytest.mark.parametrize("fault", DRILLED)
def test_a_drill_is_answered_by_its_alarm_and_passes(
    stack: Stack,
    fresh_sandbox: Sandbox,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody starts a recovery: the alarm does, by its webhook, and the world and its alarms are as before."""
    fresh_sandbox.wait_until_green("preprod")
    before = lock_alarm(fresh_sandbox)
    fresh_sandbox.subscribe(f"{stack.webhook_address}/alarms/sns")
    monkeypatch.setenv("PREFECT_API_URL", f"{stack.prefect_address}/api")
    monkeypatch.setenv("BACKSTOP_HOME", str(stack.home))
    settings.cache_clear()
    try:
        code = start("preprod", fault=fault, as_json=True)
    finally:
        fresh_sandbox.subscribe("")

    told = json.loads(capsys.readouterr().out)
    assert (code, told["grade"]) == (0, "pass"), told["reasons"]
    assert "asking" not in "; ".join(told["reasons"])
    assert (told["fault"], told["fault_may_be_there"]) == (fault, False)
    found = read(fresh_sandbox.home, "preprod")
    assert (found.releases, found.lock) == ({fresh_sandbox.release(2)}, "")
    assert lock_alarm(fresh_sandbox) == before


@pytest.mark.skipif(not os.getenv("BACKSTOP_TRIAL"), reason="waits for the janitor: up to a minute")
def test_an_alarm_that_nobody_delivers_fails_its_drill(
    stack: Stack, fresh_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a subscription the janitor finds the alarm: the drill fails by that, and one issue says where to look."""
    fresh_sandbox.wait_until_green("preprod")
    before = lock_alarm(fresh_sandbox)
    monkeypatch.setenv("PREFECT_API_URL", f"{stack.prefect_address}/api")
    monkeypatch.setenv("BACKSTOP_HOME", str(stack.home))
    settings.cache_clear()

    code = start("preprod", fault="alarm-only", as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert (code, told["grade"], told["fault_may_be_there"]) == (4, "fail", False)
    assert "only found by asking: look at its action, its subscription" in "; ".join(told["reasons"])
    assert lock_alarm(fresh_sandbox) == before
    [issue] = fresh_sandbox.github.seen()["threads"].values()
    assert issue["title"].startswith("Drill failed: stale-terraform-lock in preprod")
    assert "its subscription" in issue["body"]


def lock_alarm(sandbox: Sandbox) -> str:
    """How the alarm stands that drills set."""
    client = organ_client("cloudwatch", sandbox.home.addresses().aws_url)
    [found] = client.describe_alarms(AlarmNames=[Place("preprod").lock_alarm])["MetricAlarms"]
    return str(found["StateValue"])
