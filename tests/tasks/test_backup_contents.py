"""A backup is used whole or not at all: whatever was done to it is one clear refusal."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from blocks.environment import Environment
from rules.backups import CONFIGURATION, DATA, MANIFEST, MOUNTED, STATE, BackupKind, BackupManifest
from rules.errors import RecoveryRefused
from sandbox.stack.stack import DockerStack
from tasks._seal_keys import seal_of
from tasks.backup_contents import fetch_data, read_backup
from tasks.backups import Occasion, take_backup
from tasks.stack_states import SOURCE

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def kept(steady: Environment) -> tuple[Environment, BackupManifest]:
    """Give a test an environment with a backup of its stack."""
    return steady, take_backup.fn(steady, Occasion(kind=BackupKind.DEPLOY))


@pytest.fixture
def steady(docker_stack: DockerStack, tmp_path: Path) -> Environment:
    """Give a test the environment of the session's stack, which it does not change, and a store of its own."""
    from sandbox.stack.environment import described

    docker_stack.up(foreign=True)
    found = described(docker_stack)
    found["platform"]["backups"]["directory"] = str(tmp_path / "backups")
    return Environment.model_validate(found)


def folder_of(environment: Environment, backup: str) -> Path:
    """Where the backup lies."""
    return Path(environment.docker_stack.backups.directory or "") / environment.name / backup


def rewrite(environment: Environment, backup: BackupManifest, name: str, content: bytes) -> None:
    """Change a file of a backup, and its manifest with it, as somebody would who can write the store."""
    folder = folder_of(environment, backup.id)
    for file in folder.iterdir():
        file.chmod(0o600)
    (folder / name).write_bytes(content)
    told = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files = tuple(file.model_copy(update=told) if file.name == name else file for file in backup.files)
    (folder / MANIFEST).write_text(backup.model_copy(update={"files": files}).model_dump_json())


def with_store(environment: Environment, **change: object) -> Environment:
    """The environment with another setting of its backup store."""
    store = environment.docker_stack.backups.model_copy(update=change)
    platform = environment.docker_stack.model_copy(update={"backups": store})
    return environment.model_copy(update={"platform": platform})


def test_what_was_backed_up_is_read_again(
    kept: tuple[Environment, BackupManifest], docker_stack: DockerStack, tmp_path: Path
) -> None:
    """Configuration, every mounted file with owner and mode, every container, and the data byte for byte."""
    environment, made = kept

    found = read_backup.fn(environment, made.id)
    fetch_data(environment, made, tmp_path / "data")

    assert found.configuration == docker_stack.config_env.read_bytes()
    assert {each.source: each.content for each in found.mounted} == {
        docker_stack.home / name: (docker_stack.home / name).read_bytes()
        for name in ("kong.yml", "nginx.conf", "redis.conf")
    }
    assert {each.mode for each in found.mounted} == {0o644}
    assert {each.service for each in found.state.containers} == {"redis", "app", "kong", "nginx"}
    assert found.state.of("kong")[0].needs == {"redis": "service_healthy", "app": "service_healthy"}
    assert [each.ours for each in found.state.networks] == [True]
    assert docker_stack.password not in repr(found)
    sealed = (folder_of(environment, made.id) / DATA).read_bytes()
    assert (tmp_path / "data").read_bytes() == seal_of(environment).open(sealed, made.id, DATA)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["data"]


def cut(content: bytes) -> bytes:
    """Half of it."""
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    """One bit in the middle is another."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def flip_unnoticed(content: bytes) -> bytes:
    """One bit is another, and Redis's own checksum at the end is zero: its reader finds nothing wrong."""
    return flip(content)[:-8] + bytes(8)


@pytest.mark.parametrize("damage", [cut, flip, flip_unnoticed, lambda _content: b""])
@pytest.mark.parametrize("name", [DATA, STATE])
def test_damage_is_refused(
    kept: tuple[Environment, BackupManifest], name: str, damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """A file that was cut off, or has one bit changed, is told by the manifest's hash."""
    environment, made = kept
    file = folder_of(environment, made.id) / name
    file.chmod(0o600)
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(RecoveryRefused, match=f"{name} of the backup {made.id} is not what was backed up"):
        if name == DATA:
            fetch_data(environment, made, tmp_path / "data")
        else:
            read_backup.fn(environment, made.id)


@pytest.mark.parametrize(
    ("backup", "told"),
    [
        ("../../etc/passwd", "cannot be the name of a backup"),
        ("20260729-143022-deploy-3fa2/../x", "cannot be the name"),
        ("/20260729-143022-deploy-3fa2", "cannot be the name"),
        ("20260729-143022-deploy-3fa2", "There is no backup"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(steady: Environment, backup: str, told: str) -> None:
    """What is typed as a backup's name never becomes another path."""
    with pytest.raises(RecoveryRefused, match=told):
        read_backup.fn(steady, backup)


def test_another_key_or_none_opens_nothing(kept: tuple[Environment, BackupManifest], tmp_path: Path) -> None:
    """The refusal names both keys by their fingerprints; sealed files stay closed without one."""
    environment, made = kept
    other = tmp_path / "other"
    other.write_text("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=")
    seal = environment.docker_stack.backups.seal
    assert seal is not None

    with pytest.raises(RecoveryRefused, match=f"sealed with the key {made.seal}"):
        read_backup.fn(with_store(environment, seal=seal.model_copy(update={"name": str(other)})), made.id)
    with pytest.raises(RecoveryRefused, match="is sealed"):
        read_backup.fn(with_store(environment, seal=None, plain=True), made.id)


def test_a_file_without_a_seal_is_refused_where_there_is_a_key(
    kept: tuple[Environment, BackupManifest],
) -> None:
    """Who can write the store, but has no key, cannot give us containers to start: state and hash agree, and yet."""
    environment, made = kept
    rewrite(environment, made, STATE, b'{"containers": []}')

    with pytest.raises(RecoveryRefused, match="is not sealed"):
        read_backup.fn(environment, made.id)


def test_a_file_of_another_backup_is_refused(kept: tuple[Environment, BackupManifest]) -> None:
    """What was sealed for one backup opens in no other."""
    environment, made = kept
    other = take_backup.fn(environment, Occasion(kind=BackupKind.DEPLOY))
    rewrite(environment, made, CONFIGURATION, (folder_of(environment, other.id) / CONFIGURATION).read_bytes())

    with pytest.raises(RecoveryRefused, match="cannot be opened"):
        read_backup.fn(environment, made.id)


def test_another_stacks_backup_is_refused(kept: tuple[Environment, BackupManifest]) -> None:
    """A backup that was copied over from another environment is told by its manifest."""
    environment, made = kept
    file = folder_of(environment, made.id) / MANIFEST
    file.chmod(0o600)
    file.write_text(made.model_copy(update={"project": "billing"}).model_dump_json())

    with pytest.raises(RecoveryRefused, match="is of masking / billing, not of masking / "):
        read_backup.fn(environment, made.id)


def archive(name: str, kind: bytes, source: str, content: bytes = b"harm") -> bytes:
    """A tar with one member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/shadow"
        info.size = len(content) if kind == tarfile.REGTYPE else 0
        info.pax_headers = {SOURCE: source} if source else {}
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


KONG = "kong/usr/local/kong/declarative/kong.yml"


@pytest.mark.parametrize(
    ("name", "kind", "source", "told"),
    [
        (KONG, tarfile.SYMTYPE, "/srv/kong.yml", "no plain file"),
        (KONG, tarfile.LNKTYPE, "/srv/kong.yml", "no plain file"),
        (KONG, tarfile.CHRTYPE, "/srv/kong.yml", "no plain file"),
        ("/etc/cron.d/harm", tarfile.REGTYPE, "/etc/cron.d/harm", "no plain file"),
        ("kong/../../etc/harm", tarfile.REGTYPE, "/srv/kong.yml", "no plain file"),
        (KONG, tarfile.REGTYPE, "/srv/../etc/harm", "no plain file"),
        (KONG, tarfile.REGTYPE, "", "no plain file"),
        (KONG, tarfile.REGTYPE, "/etc/cron.d/harm", "no container mounts"),
        ("kong/etc/harm", tarfile.REGTYPE, "/etc/harm", "no container mounts"),
    ],
)
def test_an_archive_that_reaches_out_is_refused(
    kept: tuple[Environment, BackupManifest], name: str, kind: bytes, source: str, told: str
) -> None:
    """Links, devices, absolute paths, `..` and files of other places are refused, even under the right seal."""
    environment, made = kept
    content = archive(name, kind, source)
    rewrite(environment, made, MOUNTED, seal_of(environment).close(content, made.id, MOUNTED))

    with pytest.raises(RecoveryRefused, match=told):
        read_backup.fn(environment, made.id)


@pytest.mark.parametrize(
    "content", [b"[]", b"not json", b'{"containers": [{"Id": 1}]}', b'{"containers": 7}']
)
def test_a_state_that_is_none_is_refused(kept: tuple[Environment, BackupManifest], content: bytes) -> None:
    """Under the right seal too: the refusal repeats nothing of it."""
    environment, made = kept
    rewrite(environment, made, STATE, seal_of(environment).close(content, made.id, STATE))

    with pytest.raises(RecoveryRefused, match="is no description of the stack"):
        read_backup.fn(environment, made.id)
