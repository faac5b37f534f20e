"""What runs of a Docker stack, and whether that is all of it."""

from __future__ import annotations

from collections.abc import Sequence

from rules.outcomes import Check, Verdict
from rules.values import Frozen

RUNNING, RESTARTING = "running", "restarting"
_WORST_FIRST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)


class ContainerLook(Frozen):
    """One container, as the engine describes it."""

    id: str
    name: str
    service: str
    image: str
    """The id of its image, whatever the tag means today."""
    state: str
    """created, running, paused, restarting, removing, exited or dead."""
    health: str = ""
    """starting, healthy or unhealthy; empty: it has no health check."""
    exit_code: int = 0
    error: str = ""
    """Why it could not be started, in the engine's words."""
    oom_killed: bool = False
    restarts: int = 0
    started_at: str = ""


class StackLook(Frozen):
    """Every container of one project at one moment."""

    project: str
    containers: tuple[ContainerLook, ...]

    def of(self, service: str) -> tuple[ContainerLook, ...]:
        """The service's containers."""
        return tuple(each for each in self.containers if each.service == service)


def judge_services(look: StackLook, services: Sequence[str]) -> list[Check]:
    """A check for each service that must run: its worst container decides."""
    return [_judged(name, look.of(name)) for name in services]


def _judged(service: str, containers: Sequence[ContainerLook]) -> Check:
    name = f"container {service}"
    if not containers:
        return Check(name=name, verdict=Verdict.FAIL, reason="there is no such container")
    worst = min(containers, key=lambda each: _WORST_FIRST.index(_verdict(each)))
    return Check(name=name, verdict=_verdict(worst), reason=describe(worst))


def _verdict(container: ContainerLook) -> Verdict:
    if container.state != RUNNING or container.health == "unhealthy":
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if container.health == "starting" else Verdict.PASS


def may_run(container: ContainerLook) -> bool:
    """Whether it runs, or is about to again."""
    return container.state in (RUNNING, RESTARTING, "paused")


def describe(container: ContainerLook) -> str:
    """The container's state in a few words, with the cause where the engine knows it."""
    if container.state == RUNNING:
        return f"running, {container.health}" if container.health else "running"
    if container.oom_killed:
        return f"{container.state}: it was killed because it used more memory than it may"
    if container.state == RESTARTING:
        return f"restarts again and again (exit code {container.exit_code}, {container.restarts} restarts)"
    if container.error:
        return f"{container.state}: {container.error}"
    if container.state == "created":
        return "made, but never started"
    return f"{container.state} with exit code {container.exit_code}"
