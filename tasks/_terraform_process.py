"""Running Terraform so that nothing is lost whoever dies.

Terraform runs in a session of its own and writes to a file: a dying Backstop neither interrupts it nor breaks its
pipe, so it finishes what it began, saves its state and gives its lock back. Cancelling sends it exactly one SIGINT:
it stops gracefully; a second one would make it drop its state.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from blocks.environment import Environment
from ledger.cases import current_case
from rules.errors import LeaseLost, StepFailed
from rules.state_locks import StateLock
from rules.terraform_diagnostics import Diagnosis, Diagnostic, diagnose
from tasks._terraform_survivors import GRACE_SECONDS, RunRecord

_WATCH_SECONDS = 0.05
_LOCK_IS_HELD = frozenset(
    {"refresh_start", "planned_change", "apply_start", "resource_drift", "change_summary"}
)
"""Events that only come once Terraform has the lock."""


@dataclass(slots=True)
class TerraformRun:
    """What one Terraform process said. `noise` are its lines that are not JSON."""

    exit_code: int = -1
    events: list[dict[str, Any]] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)

    def take(self, line: str) -> dict[str, Any]:
        """Keep one line; the event in it, or an empty one."""
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self.noise.append(line)  # `init -json` prints plain text too
            return {}
        self.events.append(event)
        if event.get("type") == "diagnostic" and event["diagnostic"].get("severity") == "error":
            self.diagnoses.append(diagnose(_diagnostic(event["diagnostic"])))
        return event

    @property
    def text(self) -> str:
        """Everything that was not JSON."""
        return "\n".join(self.noise)


def _diagnostic(told: dict[str, Any]) -> Diagnostic:
    place = told.get("range") or {}
    return Diagnostic(
        summary=told.get("summary", ""),
        detail=told.get("detail", ""),
        address=told.get("address", ""),
        file=place.get("filename", ""),
        line=(place.get("start") or {}).get("line", 0),
    )


def run(
    environment: Environment,
    argv: list[str],
    directory: Path,
    runs: Path,
    *,
    timeout_seconds: float,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    lock: Callable[[], StateLock | None] | None = None,
    keep_output: bool = True,
) -> TerraformRun:
    """Run Terraform in `directory`, keeping its output and a record of it in the folder `runs`.

    `on_event` hears every JSON event as it comes; `lock` reads the state lock, to write down which one is ours;
    without `keep_output` the output, which may hold sensitive values, is removed.

    Raises:
        StepFailed: no such binary, or it took longer than `timeout_seconds` and was interrupted.
        LeaseLost: another run took the incident over; Terraform was interrupted.
    """
    runs.mkdir(parents=True, exist_ok=True)
    base = runs / f"{time.time_ns()}-{argv[1]}"
    record = RunRecord(base.with_suffix(".json"))
    output = base.with_suffix(".output")
    result = TerraformRun()
    with output.open("wb") as sink, output.open("rb") as source:
        process = _start(environment, argv, directory, sink)
        record.began(process.pid)
        deadline = time.monotonic() + timeout_seconds
        unread = b""
        try:
            while True:
                ended = process.poll() is not None
                unread = _read(source, unread, result, on_event)
                if lock and not record.lock_id and _LOCK_IS_HELD & {e.get("type") for e in result.events}:
                    record.saw(lock())
                if ended:
                    break
                _stop_if_lost()
                if time.monotonic() > deadline:
                    raise _too_slow(argv[1], timeout_seconds)  # noqa: TRY301 - every way out interrupts it, below
                _until_it_ends(process, _WATCH_SECONDS)
        except BaseException:
            _interrupt(process)
            raise
        finally:
            record.ended(process.returncode)
            if not keep_output:
                output.unlink()
    if unread:
        result.take(unread.decode(errors="replace").rstrip())
    result.exit_code = process.returncode
    return result


def _until_it_ends(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Sleep, and wake up at once where the process ends: each of four commands would wait half a look in vain."""
    try:
        handle = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # no such handles on this system, or it has just ended
        time.sleep(seconds)
        return
    try:
        select.select([handle], [], [], seconds)
    finally:
        os.close(handle)


def _too_slow(verb: str, seconds: float) -> StepFailed:
    return StepFailed(
        f"terraform {verb} took longer than {seconds:g} s and was interrupted.",
        hint="Its state was written. Look at what it waited for in its output.",
    )


def _start(
    environment: Environment, argv: list[str], directory: Path, sink: IO[bytes]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            cwd=directory,
            env=_variables(environment),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise StepFailed(
            f"There is no Terraform at `{argv[0]}` on this host.",
            hint="Install Terraform 1.5 or newer, or set `binary` in the environment's file.",
        ) from error


def _variables(environment: Environment) -> dict[str, str]:
    """Terraform's environment: as whom we act, and nothing of ours that would change what it does."""
    workspace = environment.lambda_platform.terraform
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
    inherited = os.environ.get("TF_CLI_CONFIG_FILE", "")
    if inherited and Path(inherited).exists():
        kept["TF_CLI_CONFIG_FILE"] = inherited
    for name in ("AWS_CA_BUNDLE", "TF_PLUGIN_CACHE_DIR"):
        if name in os.environ:
            kept[name] = os.environ[name]
    secrets = {
        name: reference.read(environment.account).get_secret_value()
        for name, reference in workspace.secret_environment.items()
    }
    quiet = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}
    return kept | quiet | environment.aws.process_environment() | workspace.environment | secrets


def _read(
    source: IO[bytes],
    unread: bytes,
    result: TerraformRun,
    on_event: Callable[[dict[str, Any]], None] | None,
) -> bytes:
    *lines, rest = (unread + source.read()).split(b"\n")
    for line in lines:
        event = result.take(line.decode(errors="replace").rstrip())
        if on_event and event:
            on_event(event)
    return rest


def _stop_if_lost() -> None:
    case = current_case.get()
    if case is not None and case.lost.is_set():
        raise LeaseLost(f"The lease of {case.environment} was lost.", hint="Another run has taken over.")


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """One SIGINT, and time to write the state. Never a second one, never a kill: that loses state."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return  # it goes on alone, in its own session; whoever comes next waits for it
