"""What is in a backup, checked before any of it is used: nothing truncated, changed, foreign or out of bounds.

What cannot be trusted is refused as a whole, with one clear error.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from blocks.environment import Environment
from rules.backups import CONFIGURATION, DATA, MOUNTED, STATE, BackupFile, BackupManifest, backup_id
from rules.errors import RecoveryRefused
from rules.stack_descriptions import parse
from rules.stack_states import StackState
from tasks._backup_files import written
from tasks._seal_keys import seal_of
from tasks._seals import PIECE, Seal
from tasks._whole_files import sha256_of
from tasks.backup_stores import Store, store_of
from tasks.kinds import in_parallel, probe
from tasks.stack_states import SOURCE

_LARGEST = 64 << 20
"""Bytes of a file that is read into memory."""


@dataclass(frozen=True, slots=True)
class MountedFile:
    """A file of the host that is mounted into a container."""

    service: str
    destination: str
    source: Path
    content: bytes = field(repr=False)
    mode: int = 0o600
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class BackupContents:
    """A backup that was checked and opened. It holds secrets; the data itself is fetched by `fetch_data`."""

    manifest: BackupManifest
    configuration: bytes = field(repr=False)
    state: StackState = field(repr=False)
    mounted: tuple[MountedFile, ...]


@probe
def read_backup(environment: Environment, backup: str) -> BackupContents:
    """Fetch, check and open a backup, but for its data.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: there is none of that name, it is another stack's, it was changed, or its seal stays closed.
    """
    store, seal = store_of(environment), seal_of(environment)
    manifest = manifest_of(environment, backup)
    with tempfile.TemporaryDirectory(prefix="backstop-backup-") as scratch:
        folder = Path(scratch)
        configuration, told, tar = in_parallel(
            [
                partial(_opened, store, seal, manifest, name, folder)
                for name in (CONFIGURATION, STATE, MOUNTED)
            ]
        )
    state = parse(told, manifest.project, f"{STATE} of the backup {backup}")
    return BackupContents(manifest, configuration, state, _mounted(tar, state, backup))


@probe
def manifest_of(environment: Environment, backup: str) -> BackupManifest:
    """The manifest of a backup of this stack.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: there is none of that name, or it is another stack's.
    """
    manifest = store_of(environment).manifest(backup_id(backup))
    ours = (environment.name, environment.docker_stack.project)
    theirs = (manifest.environment, manifest.project)
    if theirs != ours:
        raise RecoveryRefused(
            f"The backup {backup} is of {' / '.join(theirs)}, not of {' / '.join(ours)}.",
            hint="`backstop backup --list` shows the backups of this environment.",
        )
    return manifest


@probe
def prove_readable(environment: Environment, backup: str) -> None:
    """Read the whole of a backup as a restore would, and keep nothing of it.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: it is not what was backed up, or its seal stays closed.
    """
    manifest = read_backup.fn(environment, backup).manifest
    if any(file.name == DATA for file in manifest.files):
        with tempfile.TemporaryDirectory(prefix="backstop-backup-") as scratch:
            fetch_data(environment, manifest, Path(scratch) / DATA)


def fetch_data(environment: Environment, manifest: BackupManifest, target: Path) -> None:
    """Fetch a backup's data file, checked against its manifest, and open its seal.

    Raises:
        RecoveryRefused: the backup has no data, or it was changed: `target` is not to be used.
    """
    seal, kept = seal_of(environment), target.with_name(f"{target.name}.kept")
    try:
        _fetched(store_of(environment), manifest, DATA, kept)
        _same_key(seal, manifest)
        with written(f"open {DATA}", target.parent), kept.open("rb") as source, target.open("wb") as out:
            shutil.copyfileobj(seal.opening(source, manifest.id, DATA), out, PIECE)
    finally:
        kept.unlink(missing_ok=True)


def _fetched(store: Store, manifest: BackupManifest, name: str, target: Path) -> BackupFile:
    """Copy a file out of the store; it is what the manifest says, byte for byte."""
    try:
        promised = manifest.file(name)
    except KeyError:
        raise RecoveryRefused(
            f"The backup {manifest.id} has no {name}: it was not to be had when it was made.",
            hint="Take another backup.",
        ) from None
    store.fetch(manifest.id, name, target)
    size = target.stat().st_size
    if size != promised.size or sha256_of(target) != promised.sha256:
        told = f"{size} bytes instead of {promised.size}" if size != promised.size else "its hash is another"
        raise RecoveryRefused(
            f"{name} of the backup {manifest.id} is not what was backed up: {told}.",
            hint="It was damaged or changed. Take another backup, and look at the store's disk.",
        )
    return promised


def _opened(store: Store, seal: Seal, manifest: BackupManifest, name: str, folder: Path) -> bytes:
    promised = _fetched(store, manifest, name, folder / name)
    if promised.size > _LARGEST:
        raise RecoveryRefused(f"{name} of the backup {manifest.id} is too large: {promised.size} bytes.")
    _same_key(seal, manifest)
    return seal.open((folder / name).read_bytes(), manifest.id, name)


def _same_key(seal: Seal, manifest: BackupManifest) -> None:
    if manifest.seal and seal.fingerprint and manifest.seal != seal.fingerprint:
        raise RecoveryRefused(
            f"The backup {manifest.id} was sealed with the key {manifest.seal}, and `seal` is {seal.fingerprint}.",
            hint="Give the backup store the key the backup was made with.",
        )


def _mounted(content: bytes, state: StackState, backup: str) -> tuple[MountedFile, ...]:
    """The mounted files of the tar: plain files only, each one that its container's description mounts."""
    places = {
        f"{container.service}{mount.destination}": (container.service, mount.destination, mount.source)
        for container in state.containers
        for mount in container.mounts
        if mount.kind == "bind"
    }
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            return tuple(_file(tar, member, places, backup) for member in tar)
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        raise RecoveryRefused(
            f"{MOUNTED} of the backup {backup} is no archive.", hint="Take another backup."
        ) from error


def _file(
    tar: tarfile.TarFile, member: tarfile.TarInfo, places: dict[str, tuple[str, str, str]], backup: str
) -> MountedFile:
    file = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    source = str(member.pax_headers.get(SOURCE, ""))
    held = f"{MOUNTED} of the backup {backup} holds {member.name[:90]!r}"
    if file is None or not _plain(member.name, source):
        raise RecoveryRefused(
            f"{held}, which is no plain file of the stack.",
            hint="Nothing of it is used: somebody made it by hand.",
        )
    service, destination, mounted = places.get(member.name, ("", "", ""))
    if mounted != source:
        raise RecoveryRefused(
            f"{held}, which no container mounts from there.",
            hint="Nothing of it is used: state and files do not belong together.",
        )
    mode = member.mode & 0o777
    return MountedFile(service, destination, Path(source), file.read(), mode, member.uid, member.gid)


def _plain(name: str, source: str) -> bool:
    """Whether neither path leads anywhere else than it seems to."""
    inside, outside = PurePosixPath(name), PurePosixPath(source)
    return (
        not inside.is_absolute()
        and outside.is_absolute()
        and ".." not in inside.parts
        and ".." not in outside.parts
    )
