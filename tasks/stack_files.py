"""The files that a Docker stack is configured with: whether they are as a backup has them, and putting them back."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from blocks.environment import Environment
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.stack_rollbacks import FileLook
from rules.stack_states import COMPOSE
from tasks._backup_files import written
from tasks._whole_files import whole_file
from tasks.backup_contents import BackupContents, MountedFile, read_backup
from tasks.kinds import action, probe

_HOME = f"{COMPOSE}.project.working_dir"


@probe
def changed_files(environment: Environment, backup: str) -> list[FileLook]:
    """The configuration and the mounted files that are not as a backup has them.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: the backup cannot be used.
    """
    contents = read_backup.fn(environment, backup)
    homes, found = _homes(environment, contents), []
    for path, files in _by_path(environment, contents).items():
        there = _content(path)
        if there != files[0].content:
            services = tuple(sorted({each.service for each in files} - {""}))
            ours = any(path.is_relative_to(home) for home in homes)
            found.append(FileLook(path=str(path), missing=there is None, services=services, ours=ours))
    return found


@action(subject="files of {environment.name}")
def put_files_back(environment: Environment, backup: str, paths: Sequence[str]) -> Effect:
    """Make files as a backup has them, each of them whole at any moment. Repeating it changes nothing.

    Owner and mode stay as they are; a file that is gone gets those of the backup. A container that has one mounted
    sees it after its next start.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: the backup cannot be used.
        StepFailed: a file is not the stack's, or may not be written.
    """
    contents = read_backup.fn(environment, backup)
    homes, known, changed = _homes(environment, contents), _by_path(environment, contents), []
    for name in paths:
        path = Path(name)
        if path not in known or not any(path.is_relative_to(home) for home in homes):
            raise StepFailed(f"{path} is not written: it does not lie in the stack's folder.")
        if _content(path) != known[path][0].content:
            _put(path, known[path][0])
            changed.append(path.name)
    return Effect(
        subject="files", changed=bool(changed), after=f"as in {backup}", detail=", ".join(sorted(changed))
    )


def _by_path(environment: Environment, contents: BackupContents) -> dict[Path, list[MountedFile]]:
    """Every file by where it really lies, with each way it is mounted; the configuration is mounted nowhere.

    On another host there are no mounted files to write: they are left out.
    """
    config = Path(environment.docker_stack.config_file).expanduser()
    files = [MountedFile("", "", config, contents.configuration)]
    if environment.docker_stack.host.address.startswith("unix://"):
        files += contents.mounted
    found: dict[Path, list[MountedFile]] = {}
    for file in files:
        found.setdefault(file.source.resolve(), []).append(file)
    return found


def _homes(environment: Environment, contents: BackupContents) -> set[Path]:
    """The folders that are the stack's: where its configuration lies, and where Compose was called."""
    told = {each.labels.get(_HOME, "") for each in contents.state.containers}
    config = Path(environment.docker_stack.config_file).expanduser().resolve().parent
    return {config, *(Path(home).resolve() for home in told if home.startswith("/"))} - {Path("/")}


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None  # the engine makes a folder of a file that it is to mount and does not find
    except OSError as error:
        raise StepFailed(
            f"{path} cannot be read: {error.strerror or type(error).__name__}.",
            hint="Backstop's user must be able to read the stack's files.",
        ) from error


def _put(path: Path, file: MountedFile) -> None:
    mode, owner = file.mode, (file.uid, file.gid)
    with written(f"put {path.name} back", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            path.rmdir()
        elif path.exists():
            there = path.stat()
            mode, owner = stat.S_IMODE(there.st_mode), (there.st_uid, there.st_gid)
        with whole_file(path) as draft:
            draft.write(file.content)
            os.fchmod(draft.fileno(), mode)
            if owner != (os.geteuid(), os.getegid()):
                os.fchown(draft.fileno(), *owner)
