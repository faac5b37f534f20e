"""A real Prefect server that knows the switches: where something was left lying, for the janitor to find."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import BlockDocumentCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound
from prefect.states import Running
from sqlalchemy import select

from blocks.environment import Environment
from ledger.cases import Case, now
from ledger.database import Ledger
from ledger.holders import this_process
from ledger.incidents import Opening, open_case
from ledger.models import IncidentRow, LeaseRow

SCENARIO = "switch-failure"


@dataclass
class JanitorWorld:
    """An environment of its own, the deployment of the switches' scenario, and this test's ledger."""

    client: SyncPrefectClient
    ledger: Ledger
    environment: Environment
    board: Path
    deployed: set[UUID] = field(default_factory=set)

    def __post_init__(self) -> None:
        of_type, of_schema = _registered(self.client)
        told = self.environment.model_dump(mode="json")
        made = BlockDocumentCreate(
            name=self.name, data=told, block_type_id=of_type, block_schema_id=of_schema
        )
        self.block = str(self.client.create_block_document(made).id)
        self.deployment = self.deploy(SCENARIO)
        self.escalate = self.deploy("escalate")

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.name

    def asked_run(self) -> FlowRun:
        """The run that somebody asked for: running, as the server believes."""
        run = self.client.create_flow_run_from_deployment(self.deployment, parameters=self.parameters())
        state: State[Any] = Running()
        self.client.set_flow_run_state(run.id, state, force=True)
        return run

    def parameters(self) -> dict[str, Any]:
        """What it was asked with."""
        return {"environment": {"$ref": {"block_document_id": self.block}}, "board": str(self.board)}

    def died(self, run: FlowRun | None = None, *, runs: int = 1) -> Case:
        """An incident whose run is dead, and whose lease has run out."""
        opening = Opening(
            SCENARIO, self.name, "staging", 60, flow_run_id=str(run.id) if run else None, opened_by="jane"
        )
        dead = this_process().model_copy(update={"pid": 2**22 - 1, "started": 1.0})
        case = open_case(self.ledger, opening, dead, 30)
        with self.ledger.session() as session:
            session.get_one(LeaseRow, self.name).expires_at = now() - timedelta(seconds=1)
            session.get_one(IncidentRow, case.incident_id).runs = runs
        return case

    def runs(self, deployment: UUID | None = None) -> list[FlowRun]:
        """The runs of a deployment (the scenario's) in this environment, the oldest first."""
        wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment or self.deployment]))
        found = self.client.read_flow_runs(flow_run_filter=wanted)
        ours = [run for run in found if self.block in str(run.parameters)]
        return sorted(ours, key=lambda run: run.created or now())

    def pages(self, incident: str) -> list[FlowRun]:
        """The runs that are to page for an incident."""
        wanted = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[self.escalate]))
        found = self.client.read_flow_runs(flow_run_filter=wanted)
        return [run for run in found if run.parameters["incident"] == incident]

    def incidents(self) -> list[IncidentRow]:
        """Every incident of the environment."""
        with self.ledger.reading() as session:
            return list(session.scalars(select(IncidentRow).where(IncidentRow.environment == self.name)))

    def deploy(self, name: str, **more: Any) -> UUID:
        """Register a deployment that a responder would take up again."""
        made = self.client.create_deployment(
            self.client.create_flow_from_name(name), name, tags=["backstop", "recovery"], **more
        )
        self.deployed.add(made)
        return made

    def tidy(self) -> None:
        """Remove what was registered: other tests of this server do so themselves, or want it missing."""
        for deployment in self.deployed:
            self.client.delete_deployment(deployment)


def _registered(client: SyncPrefectClient) -> tuple[UUID, UUID]:
    """The type and schema of environments; registering asks for every block that one holds, so only once."""
    try:
        known = client.read_block_type_by_slug("environment")
        return known.id, client.read_block_schema_by_checksum(Environment._calculate_schema_checksum()).id
    except ObjectNotFound:
        Environment.register_type_and_schema()
        return _registered(client)


def fresh_name() -> str:
    """An environment's name that no other test has on the same server."""
    return f"janitor-{uuid.uuid4().hex[:8]}"
