"""Running a test again, with a time limit, and waiting for how it ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Effect
from tasks._run_folders import ASIDE, read_record
from tasks._run_processes import Kit, end_tree, tree_of
from tasks.kinds import action

_LOOK_SECONDS = 0.1


@action(subject="{case} as {run_id}", retries=0)
def repeat_run(environment: Environment, case: str, run_id: str, options: tuple[str, ...] = ()) -> Effect:
    """Run a case again as another run, for no longer than a run may take. Repeating it changes nothing.

    A run that was begun before our own death is waited for. Its output goes into its folder, not here.

    Permissions: none

    Raises:
        StepFailed: it could not be started, or it took too long and was ended.
    """
    kit, platform = Kit.of(environment), environment.test_kit
    folder = Path(platform.artifacts).expanduser() / run_id
    subject, until = f"{case} as {run_id}", time.monotonic() + platform.run_timeout_seconds
    aside = folder.parent / ASIDE / run_id
    told = read_record(folder if folder.exists() else aside).exit_code
    if told is not None:
        return Effect(subject=subject, changed=False, after=f"exit code {told}", detail="it has run already")
    process = None
    if not tree_of(kit, read_record(folder).root, run_id):
        shutil.rmtree(folder, ignore_errors=True)  # begun by a run that died with it: nothing but a beginning
        process = _started(environment, case, run_id, folder, options)
    while process.poll() is None if process else tree_of(kit, read_record(folder).root, run_id):
        if time.monotonic() > until:
            end_tree(kit, read_record(folder).root, run_id, platform.grace_seconds)
            raise StepFailed(
                f"The run {run_id} took longer than {platform.run_timeout_seconds:g} s and was ended.",
                hint=f"Its output is in {folder}. What it waits for hangs itself: look at that first.",
            )
        time.sleep(_LOOK_SECONDS)
    code = process.returncode if process else read_record(folder).exit_code
    return Effect(subject=subject, changed=True, after=f"exit code {code}")


def _started(
    environment: Environment, case: str, run_id: str, folder: Path, options: tuple[str, ...]
) -> subprocess.Popen[bytes]:
    platform = environment.test_kit
    variables = os.environ | environment.aws.process_environment() | {platform.variables.run_id: run_id}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "repeated.log").open("ab") as said:
            return subprocess.Popen(
                [*platform.command, "--case", case, "--out", str(folder), *options],
                cwd=Path(platform.folder).expanduser(),
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
    except OSError as error:
        raise StepFailed(
            f"The kit could not be started: {error.strerror}.",
            hint="Correct `command` and `folder` in the environment's file.",
        ) from error
