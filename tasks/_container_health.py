"""Whether a container is ready, asked now: the engine itself asks only once an interval, and later after a start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from blocks.docker_errors import translated
from rules.errors import StepFailed, TransientFailure

if TYPE_CHECKING:
    from docker import DockerClient

_SIGNALS = {"SIGTERM": 15, "SIGQUIT": 3, "SIGINT": 2, "SIGHUP": 1}


def is_ready(client: DockerClient, container: dict[str, Any]) -> bool:
    """Run the container's own health check; one that has none is ready while it runs."""
    test = [str(each) for each in (container["Config"].get("Healthcheck") or {}).get("Test") or []]
    if not container["State"].get("Running"):
        return False
    if not test or test[0] == "NONE":
        return True
    command = ["/bin/sh", "-c", test[1]] if test[0] == "CMD-SHELL" else test[1:]
    try:
        with translated(f"ask {container['Name']} how it is"):
            run = client.api.exec_create(container["Id"], command)
            client.api.exec_start(run["Id"])
            return bool(client.api.exec_inspect(run["Id"])["ExitCode"] == 0)
    except TransientFailure:
        raise
    except StepFailed:
        return False  # it ended meanwhile, or has no such command


def patience(container: dict[str, Any], local: bool) -> int:
    """Seconds that a container has to end by itself: as it was told, else three; none where it does not listen.

    The first process of a container never gets a signal that it has not asked for, so that waiting would be in vain.
    """
    config = container["Config"]
    number = _SIGNALS.get(str(config.get("StopSignal") or "SIGTERM"))
    if local and number and not _listens(int(container["State"].get("Pid") or 0), number):
        return 0
    told = config.get("StopTimeout")
    return 3 if told is None else int(told)


def _listens(process: int, number: int) -> bool:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
        caught = next(int(line.split()[1], 16) for line in lines if line.startswith("SigCgt"))
    except (OSError, StopIteration, ValueError):
        return True  # nobody can tell
    return bool(caught >> (number - 1) & 1)
