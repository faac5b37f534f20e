"""What the frame costs: an empty incident beside the same flow without the frame, on a Prefect server."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Figure
from rules.outcomes import Ending

ROUNDS = 9
LIMIT_SECONDS = 0.3


def measure() -> Iterator[Figure]:
    """Run both flows in turn, so that both see the same machine."""
    with tempfile.TemporaryDirectory(prefix="backstop-bench-") as folder, _small_world(Path(folder)):
        framed, bare = _flows()
        outcome = framed()  # the first of each pays for imports and connections
        if getattr(outcome, "ending", None) is not Ending.RECOVERED:
            raise RuntimeError(f"the empty incident did not go through: {outcome!r}")
        bare()
        seconds: dict[Callable[[], object], list[float]] = {framed: [], bare: []}
        for _ in range(ROUNDS):
            for run, taken in seconds.items():
                began = time.perf_counter()
                run()
                taken.append(time.perf_counter() - began)
    with_frame, without = (statistics.median(taken) for taken in seconds.values())
    yield Figure.raw("empty flow, no frame", without, "s")
    yield Figure.raw("empty incident in its frame", with_frame, "s")
    yield Figure.at_most("frame overhead", with_frame - without, "s", LIMIT_SECONDS)


@contextmanager
def _small_world(folder: Path) -> Iterator[None]:
    """A Prefect server and an account to ask who we are; gone afterwards."""
    given = dict(os.environ)
    os.environ |= {
        "BACKSTOP_HOME": str(folder),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
    }
    from moto import mock_aws

    from deployments.server import PrefectServer

    server = PrefectServer(folder / "prefect")
    server.start()
    try:
        server.wait_until_healthy()
        os.environ["PREFECT_API_URL"] = server.api
        from prefect.settings import (
            PREFECT_API_URL,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
            temporary_settings,
        )

        settings = {PREFECT_API_URL: server.api, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
        with (
            mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}),
            temporary_settings(settings),
        ):
            yield
    finally:
        server.stop()
        os.environ.clear()
        os.environ.update(given)


def _flows() -> tuple[Callable[[], object], Callable[[], object]]:
    """The incident in its frame, and its four steps alone."""
    from prefect import flow

    from flows._incident import Rung, handle
    from rules.outcomes import Check, Finding, Verdict, Verification
    from rules.plans import Plan
    from rules.severity import Severity
    from tests.switchboard import make_environment

    environment = make_environment()

    def verification(verdict: Verdict) -> Verification:
        return Verification.of([Check(name="nothing", verdict=verdict, reason="as planned")])

    def detect() -> Finding:
        return Finding(
            health=verification(Verdict.FAIL), severity=Severity.MEDIUM, summary="nothing is wrong"
        )

    def decide(_finding: Finding) -> Plan:
        return Plan(scenario="empty", environment=environment.name, rung="nothing", title="Change nothing")

    rung = Rung(
        name="nothing", decide=decide, act=lambda _: None, verify=lambda _: verification(Verdict.PASS)
    )

    @flow(name="framed")
    def framed() -> object:
        return handle("empty", environment, detect=detect, ladder=[rung])

    @flow(name="bare")
    def bare() -> Verification:
        plan = rung.decide(detect())
        rung.act(plan)
        return rung.verify(plan)

    return framed, bare
