"""From a failed workflow to a recovered environment: server, responder and receiver as `backstop up` runs them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import select

from deployments.stack import Stack
from ledger.database import open_ledger
from ledger.models import IncidentRow
from sandbox import breaking
from sandbox.places import ACCOUNT, REGION
from sandbox.world import Sandbox
from tests.flows.broken_canary import Production
from tests.webhooks.github_rig import PREPROD, REPOSITORY, SECRET, job, signed

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
SHIPPED: dict[str, Any] = yaml.safe_load((ROOT / "deployments/alarm_routes.yaml").read_text())


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """The shipped routes and senders, for the sandbox's account."""
    told = SHIPPED | {
        "environments": {name: {"account": ACCOUNT, "region": REGION} for name in ("prod", "preprod")}
    }
    path = tmp_path / "routes.yaml"
    path.write_text(yaml.safe_dump(told))
    return path


@pytest.fixture
def stack(
    own_home: Path, fresh_sandbox: Sandbox, routes: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    """Everything of one machine, for the sandbox's environments."""
    for name in [name for name in os.environ if name.startswith("PREFECT_API")]:
        monkeypatch.delenv(name)
    parts = Stack(
        home=own_home,
        prefect_port=0,
        webhook_port=0,
        environments=fresh_sandbox.home.environments,
        file=ROOT / "prefect.yaml",
        extra={
            "BACKSTOP_WEBHOOK_ROUTES": str(routes),
            "BACKSTOP_GITHUB_WEBHOOK_SECRET": SECRET,
            "BACKSTOP_DELAY_SCALE": "0.3",
        },
    )
    parts.start()
    yield parts
    parts.stop()


def ended(scenario: str, seconds: float = 200.0) -> IncidentRow:
    """The scenario's incident, once it is closed."""
    wanted = select(IncidentRow).where(IncidentRow.scenario == scenario, IncidentRow.closed_at.is_not(None))
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        with open_ledger().reading() as session:
            row = session.scalars(wanted).first()
            if row is not None:
                session.expunge(row)
                return row
        time.sleep(0.2)
    raise AssertionError(f"{scenario} did not end")


def test_a_failed_workflow_recovers_its_environment(stack: Stack, fresh_sandbox: Sandbox) -> None:
    """GitHub tells of two failed deployments: production is whole again, preprod is finished with that very commit."""
    production = Production.of(fresh_sandbox)
    production.prove(1, 2)
    breaking.deploy_half(fresh_sandbox, "prod")
    breaking.lose_state(fresh_sandbox, "preprod")
    assert not production.runs(2)
    deploy = "Deploy to Production"
    with httpx.Client(base_url=stack.webhook_address) as http:
        for told in (
            job(deploy, workflow_name=deploy, id=1, head_sha=fresh_sandbox.release(3)),
            job("Deploy to Preprod", id=2, head_sha=fresh_sandbox.release(2)),
        ):
            body, headers = signed(told)
            answer = http.post("/alarms/github", content=body, headers=headers)
            assert answer.json()["alarms"][0]["result"] == "stored", answer.text

    first, second = ended("production-deploy-failure"), ended("preprod-terraform-failure")

    assert (first.ending, second.ending) == ("recovered", "recovered"), (
        first.ending_reason,
        second.ending_reason,
    )
    assert production.runs(2)
    assert first.reason == f"{deploy} / {deploy}"
    assert second.reason == f"{PREPROD} / Deploy to Preprod"
    assert second.parameters == {"release": fresh_sandbox.release(2)}
    assert REPOSITORY in {route.get("labels", {}).get("repository") for route in SHIPPED["routes"]}
