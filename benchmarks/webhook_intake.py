"""Taking alarms in: how much of a bare endpoint's speed is left, and whether a storm makes exactly one run.

The bare endpoint is a FastAPI route that only verifies the same signature. Both servers are one uvicorn worker
in a process of its own and get the same messages, over 64 kept-alive connections from this process, in turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import uvicorn
import yaml
from fastapi import FastAPI, Request
from sqlalchemy import func, select

from benchmarks.figures import Figure
from ledger.database import open_ledger
from ledger.models import AlarmRow
from tests.webhooks.prefect_stand_in import PrefectStandIn, prefect_stand_in
from tests.webhooks.sns_rig import TOPIC, Signer, certificate_host, metric_alarm, sns_time
from webhooks.app import create_app
from webhooks.certificates import CertificateStore
from webhooks.serve import listening_socket
from webhooks.settings import WebhookSettings
from webhooks.sns_signatures import SnsVerifier

CONNECTIONS = 64
SLICE = 400
SLICES = 12
STORM = 2_000
ROUTES = {
    "topics": [TOPIC],
    "environments": {"prod": {"account": "111111111111", "region": "us-east-1"}},
    "routes": [{"alarm": "prod-sentiment-*", "scenario": "canary-failure", "environment": "prod"}],
}


def measure() -> Iterator[Figure]:
    """Requests per second beside the bare endpoint, and a storm of deliveries of one incident."""
    with tempfile.TemporaryDirectory(prefix="backstop-bench-") as name, prefect_stand_in() as prefect:
        folder = Path(name)
        (folder / "routes.yaml").write_text(yaml.safe_dump(ROUTES))
        signer = Signer()
        with certificate_host(folder, signer) as (host, bundle):
            place = Place(folder, host, bundle, prefect)
            yield from throughput(place, signer)
            yield from storm(place, signer)


def throughput(place: Place, signer: Signer) -> Iterator[Figure]:
    """Slice after slice of new messages, each to both servers in turns, so that both see the same machine."""
    requests = signed(signer, SLICE * (SLICES + 1))
    seconds: dict[str, list[float]] = {"bare endpoint": [], "receiver": []}
    costs: dict[str, list[float]] = {"bare endpoint": [], "receiver": []}
    with served("bare", place, "bare") as bare, served("receiver", place, "speed") as receiver:
        servers = [("bare endpoint", bare), ("receiver", receiver)]
        for number in range(SLICES + 1):
            part = requests[number * SLICE :][:SLICE]
            for name, server in servers if number % 2 else servers[::-1]:
                began, cpu = time.perf_counter(), server.cpu_seconds()
                answers = asyncio.run(deliver(server.port, part))
                seconds[name].append((time.perf_counter() - began) / SLICE)
                costs[name].append((server.cpu_seconds() - cpu) / SLICE)
                if set(answers) != {200} or len(answers) != SLICE:
                    raise RuntimeError(f"the {name} did not take every message: {set(answers)}")
    pairs = list(zip(seconds["bare endpoint"], seconds["receiver"], strict=True))[
        1:
    ]  # the first one warms up
    for name in seconds:
        yield Figure.raw(f"webhook: {name}", 1 / statistics.median(seconds[name][1:]), "requests/s")
        yield Figure.raw(f"webhook: {name}, CPU", statistics.median(costs[name][1:]) * 1e6, "µs/request")
    ratio = statistics.median(bare / receiver for bare, receiver in pairs)
    yield Figure.at_least("webhook: receiver (alarm new, routed, on disk) / bare endpoint", ratio, "", 0.6)


def storm(place: Place, signer: Signer) -> Iterator[Figure]:
    """One incident, delivered 2,000 times: 500 messages four times each, shuffled, while Prefect stutters."""
    requests = signed(signer, STORM // 4) * 4
    random.Random(7).shuffle(requests)  # noqa: S311 - any order will do, the same each time
    place.prefect.failures = [503] * 3
    before = len(place.prefect.runs)
    with served("receiver", place, "storm") as server:
        began = time.perf_counter()
        answers = asyncio.run(deliver(server.port, requests))
        answered = time.perf_counter() - began
        left = server.left_over()
        settled = time.perf_counter() - began
        kept = server.kept()
    runs = len(place.prefect.runs) - before
    yield Figure.exactly("webhook: flow runs of 2,000 deliveries of 1 incident", runs, "", 1)
    yield Figure.exactly(
        "webhook: deliveries not answered 200", sum(answer != 200 for answer in answers), "", 0
    )
    yield Figure.exactly("webhook: messages lost", STORM // 4 - kept + left, "", 0)
    yield Figure.raw("webhook: storm answered within", answered, "s")
    yield Figure.raw("webhook: storm settled within", settled, "s")


@dataclass(frozen=True)
class Place:
    """What the servers need: a folder, the certificate host, Prefect."""

    folder: Path
    host: str
    bundle: Path
    prefect: PrefectStandIn


@dataclass(frozen=True)
class Server:
    """One running server."""

    process: subprocess.Popen[bytes]
    port: int
    ledger_url: str

    def cpu_seconds(self) -> float:
        """CPU time it has used."""
        used = psutil.Process(self.process.pid).cpu_times()
        return float(used.user + used.system)

    def kept(self) -> int:
        """Alarms in its ledger."""
        with open_ledger(self.ledger_url).reading() as session:
            return session.scalar(select(func.count()).select_from(AlarmRow)) or 0

    def left_over(self, seconds: float = 30.0) -> int:
        """Wait until nothing is left to dispatch; return what is left after that time."""
        deadline = time.monotonic() + seconds
        while True:
            with open_ledger(self.ledger_url).reading() as session:
                wanted = select(func.count()).select_from(AlarmRow).where(AlarmRow.state != "dispatched")
                left = session.scalar(wanted) or 0
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.02)


@contextlib.contextmanager
def served(kind: str, place: Place, name: str) -> Iterator[Server]:
    """Run one server in a process of its own until the block ends."""
    url = f"sqlite:///{place.folder / name}.db"
    variables = {
        "BACKSTOP_LEDGER_URL": url,
        "BACKSTOP_WEBHOOK_PORT": "0",
        "BACKSTOP_WEBHOOK_ROUTES": str(place.folder / "routes.yaml"),
        "BACKSTOP_WEBHOOK_CERTIFICATE_HOST": place.host,
        "BACKSTOP_WEBHOOK_CERTIFICATE_CA": str(place.bundle),
        "BACKSTOP_WEBHOOK_REQUESTS_PER_MINUTE": "1000000",
        "PREFECT_API_URL": place.prefect.url,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.webhook_intake", kind],
        stdout=subprocess.PIPE,
        env=os.environ | variables,
    )
    try:
        port = int(process.stdout.readline() or b"0") if process.stdout else 0
        if not port:
            raise RuntimeError(f"the {kind} server did not start")
        yield Server(process, port, url)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()


def _serve(kind: str) -> None:
    """Run a server in this process; print its port."""
    settings = WebhookSettings()
    if kind == "receiver":
        app = create_app(settings)
    else:
        app = FastAPI()
        store = CertificateStore(
            monotonic=time.monotonic,
            further_host=settings.certificate_host,
            further_ca=settings.certificate_ca,
        )
        verifier = SnsVerifier(topics=[TOPIC], certificates=store, window=timedelta(hours=1))

        @app.post("/alarms/sns")
        async def _verify(request: Request) -> dict[str, bool]:
            await verifier.verify(await request.body(), datetime.now(UTC))
            return {"ok": True}

    listening = listening_socket(settings)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([listening])


def signed(signer: Signer, count: int) -> list[bytes]:
    """HTTP requests with different signed alarms of one incident. Two processes sign: it is slow."""
    with ProcessPoolExecutor(2) as pool:
        halves = pool.map(
            _sign, [signer.private_pem()] * 2, [signer.url] * 2, [range(count)[::2], range(count)[1::2]]
        )
        return [request for half in halves for request in half]


def _sign(key: bytes, url: str, numbers: Sequence[int]) -> list[bytes]:
    signer = Signer.of(key, url)
    began = datetime.now(UTC) - timedelta(seconds=60)
    requests = []
    for number in numbers:
        alarm = metric_alarm(f"prod-sentiment-{number % 7}", at=began + timedelta(milliseconds=number))
        body = signer.notification(alarm, Timestamp=sns_time())
        head = f"POST /alarms/sns HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        requests.append(head.encode() + body)
    return requests


async def deliver(port: int, requests: Sequence[bytes]) -> list[int]:
    """Send the requests over kept-alive connections, each its next one after an answer; return the statuses."""
    waiting = iter(requests)
    answers: list[int] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            await reader.readexactly(length)
            answers.append(int(head[9:12]))
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return answers


if __name__ == "__main__":
    _serve(sys.argv[1])
