"""From an alarm's POST to the first action begun, on real processes: receiver, Prefect server, and what runs flows.

The scenario is the smallest real one (tests/switchboard.py): detect, decide, guard, snapshot, then an action. Its
own work takes milliseconds, so what is measured is Backstop's. Once the responder carries the run, once a Prefect
process worker does; alarm, deployment and frame are the same. The end of the clock is the action's intent in the
ledger.
"""

from __future__ import annotations

import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from sqlalchemy import select

from benchmarks.figures import Figure
from deployments import lifeline
from deployments.server import PrefectServer, free_port
from ledger.database import Ledger, open_ledger
from ledger.models import IncidentRow, StepRow
from tests.switchboard import make_environment, wire
from tests.webhooks.sns_rig import TOPIC, Signer, certificate_host, metric_alarm

ROOT = Path(__file__).parent.parent
ACCOUNT = "123456789012"
SCENARIO, ENVIRONMENT, POOL = "switch-failure", "practice", "bench-processes"
RESPONDER_ROUNDS, WORKER_ROUNDS = 9, 3
LIMIT_SECONDS = 2.0
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class World:
    """What runs for the benchmark, and what a child process needs to know of it."""

    folder: Path
    variables: dict[str, str]
    ledger: Ledger
    signer: Signer
    receiver: str

    @property
    def board(self) -> Path:
        """The switches that are recovered."""
        return self.folder / "board"


def measure() -> Iterator[Figure]:
    """The responder's median keeps a bound; the worker's stands beside it."""
    with tempfile.TemporaryDirectory(prefix="backstop-bench-") as name, world(Path(name)) as here:
        deploy(here, "--tag", "bench")
        command = [sys.executable, "-m", "deployments.responder", "tests.switchboard", "--tag", "bench"]
        with running(here, command, "responder"):
            seconds = [alarm_to_action(here) for _ in range(RESPONDER_ROUNDS + 1)][1:]
        yield Figure.at_most(
            "alarm → first action, responder, median", statistics.median(seconds), "s", LIMIT_SECONDS
        )
        yield Figure.raw("alarm → first action, responder, slowest", max(seconds), "s")
        deploy(here, "--pool", POOL)
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
        with running(here, command, "worker"):
            seconds = [alarm_to_action(here) for _ in range(WORKER_ROUNDS + 1)][1:]
        yield Figure.raw(
            "alarm → first action, Prefect process worker, median", statistics.median(seconds), "s"
        )


def alarm_to_action(here: World) -> float:
    """Break the board, POST one signed alarm, and wait for the incident's end; the seconds to its first action."""
    wire(here.board)
    before = incidents(here.ledger)
    alarm = metric_alarm("prod-sentiment-canary", account=ACCOUNT)
    request = urllib.request.Request(f"{here.receiver}/alarms/sns", data=here.signer.notification(alarm))  # noqa: S310 - our own address
    posted = datetime.now(UTC)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own address
        answer.read()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with here.ledger.reading() as session:
            ended = select(IncidentRow).where(
                IncidentRow.id.not_in(before), IncidentRow.closed_at.is_not(None)
            )
            if incident := session.scalars(ended).first():
                if incident.ending != "recovered":
                    raise RuntimeError(f"the incident ended {incident.ending}: {incident.ending_reason}")
                first = (
                    select(StepRow.intent_at).where(StepRow.incident_id == incident.id).order_by(StepRow.id)
                )
                return (session.scalars(first).all()[0] - posted).total_seconds()
        time.sleep(0.05)
    raise RuntimeError(f"no incident within {PATIENCE_SECONDS:g} s; the logs:\n{logs(here.folder)}")


def incidents(ledger: Ledger) -> list[str]:
    """The incidents there are."""
    with ledger.reading() as session:
        return list(session.scalars(select(IncidentRow.id)))


def deploy(here: World, *options: str) -> None:
    """Make the environment known and deploy the scenario, in a process of its own that sees the server."""
    command = [sys.executable, "-m", "benchmarks.alarm_to_action", str(here.board), *options]
    subprocess.run(command, env=here.variables, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """An AWS stand-in, a Prefect server and the receiver; gone afterwards."""
    from moto.server import ThreadedMotoServer

    with ExitStack() as stack:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        aws_port = free_port()
        aws = ThreadedMotoServer(ip_address="127.0.0.1", port=aws_port, verbose=False)
        aws.start()
        stack.callback(aws.stop)
        server = PrefectServer(folder / "prefect")
        server.start()
        stack.callback(server.stop)
        signer = Signer()
        host, bundle = stack.enter_context(certificate_host(folder, signer))
        route = {"alarm": "prod-sentiment-*", "scenario": SCENARIO, "environment": ENVIRONMENT}
        routes = {
            "topics": [TOPIC],
            "environments": {ENVIRONMENT: {"account": ACCOUNT, "region": "us-east-1"}},
            "routes": [route | {"parameters": {"board": str(folder / "board")}}],
        }
        (folder / "routes.yaml").write_text(yaml.safe_dump(routes))
        port = free_port()
        variables = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("AWS_", "BACKSTOP_", "PREFECT_"))
            },
            **server.environment(),
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "BACKSTOP_HOME": str(folder),
            "BACKSTOP_BENCH_AWS": f"http://127.0.0.1:{aws_port}",
            "BACKSTOP_WEBHOOK_PORT": str(port),
            "BACKSTOP_WEBHOOK_ROUTES": str(folder / "routes.yaml"),
            "BACKSTOP_WEBHOOK_CERTIFICATE_HOST": host,
            "BACKSTOP_WEBHOOK_CERTIFICATE_CA": str(bundle),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        server.wait_until_healthy()
        ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
        here = World(folder, variables, ledger, signer, f"http://127.0.0.1:{port}")
        stack.enter_context(running(here, [sys.executable, "-m", "webhooks.serve"], "receiver"))
        yield here


@contextmanager
def running(here: World, command: list[str], name: str) -> Iterator[None]:
    """Run a program with its output in a file; SIGTERM at the end."""
    with (here.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=here.variables, cwd=ROOT, stdout=log, stderr=log)
    try:
        time.sleep(3)
        if process.poll() is not None:
            raise RuntimeError(f"the {name} ended at once:\n{logs(here.folder)}")
        yield
    finally:
        lifeline.stop(process, 20)


def logs(folder: Path) -> str:
    """The end of every log."""
    return "\n".join(
        f"{path.name}: {path.read_text(errors='replace')[-2000:]}" for path in folder.glob("*.log")
    )


def _deploy(arguments: list[str]) -> None:
    """Save the environment's block and apply the deployment: for the responder by tag, for a worker by pool."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.deployments.runner import RunnerDeployment
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.types.entrypoint import EntrypointType

    from blocks.aws_account import AwsAccount
    from tests.switchboard import recover

    _board, option, value = arguments
    account = AwsAccount(
        account_id=ACCOUNT, region="us-east-1", endpoint_url=os.environ["BACKSTOP_BENCH_AWS"]
    )
    make_environment(ENVIRONMENT, account=account).save(ENVIRONMENT, overwrite=True)
    by_pool = option == "--pool"
    if by_pool:
        with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=value, type="process"))
    deployment = RunnerDeployment.from_flow(
        recover,
        name=SCENARIO,
        tags=[] if by_pool else [value],
        work_pool_name=value if by_pool else None,
        job_variables={"working_dir": str(ROOT), "stream_output": False} if by_pool else None,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    deployment.apply()


if __name__ == "__main__":
    _deploy(sys.argv[1:])
