"""The evidence of a leak: the run's artifacts, encrypted, whole and read back before anything is deleted."""

from __future__ import annotations

import contextlib
import errno
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from blocks.settings import settings
from rules.errors import StepFailed
from rules.outcomes import Effect
from rules.secret_spans import PERSONAL
from rules.values import Frozen
from tasks._evidence_files import contents, pack, sealed_contents, unsealed
from tasks._run_folders import run_folder
from tasks._scan_containers import Budget, parts
from tasks._scan_engine import fastest
from tasks._scan_stream import scan_stream
from tasks._seal_keys import copies_seal
from tasks._whole_files import whole_file
from tasks.kinds import action, probe

SHORTEST = 8
"""Characters of a secret that is looked for word by word elsewhere; shorter ones are in anything."""
LONGEST_WORD = 16
"""So many letters are no plain word any more."""


class Evidence(Frozen):
    """What is kept of a run: hashes by name."""

    files: dict[str, str]

    @property
    def told(self) -> str:
        """In a few words."""
        return f"{len(self.files)} files, encrypted"


@action(subject="evidence of {run_id}")
def preserve_evidence(environment: Environment, run_id: str) -> Effect:
    """Keep a run's artifacts as they are, encrypted, where copies are kept. Repeating it changes nothing.

    Permissions: s3:PutObject, s3:GetObject

    Raises:
        StepFailed: it could not be written, or read back as it was.
    """
    subject, kept = f"evidence of {run_id}", evidence_of(environment, run_id)
    if kept and not (Path(environment.test_kit.artifacts).expanduser() / run_id).exists():
        return Effect(subject=subject, changed=False, after=kept.told, detail="the artifacts are deleted")
    folder, seal = run_folder(environment, run_id), copies_seal(environment)
    if kept and kept.files == contents(folder):
        return Effect(subject=subject, changed=False, after=kept.told)
    private = settings().home / "evidence"
    private.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=private) as draft:
        try:
            written = pack(folder, cast("IO[bytes]", draft), seal, run_id)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(private, error) from error
            raise StepFailed(f"The artifacts of {run_id} cannot all be read: {error}.") from error
        draft.seek(0)
        _put(environment, run_id, cast("IO[bytes]", draft))
    kept = evidence_of(environment, run_id)
    if kept is None or kept.files.items() != written.items():
        raise StepFailed(
            f"The evidence of {run_id} does not read back as it was written.",
            hint="Nothing is deleted without it. Look at where copies are kept.",
        )
    return Effect(subject=subject, changed=True, before="not kept", after=kept.told)


@probe
def kept_evidence(environment: Environment, run_id: str) -> Evidence | None:
    """What is kept of a run, read to its end and decrypted; None: nothing.

    Permissions: s3:GetObject
    """
    return evidence_of(environment, run_id)


@action(subject="artifacts of {run_id}")
def delete_artifacts(environment: Environment, run_id: str) -> Effect:
    """Delete a run's artifacts, every file of which is in the evidence. Repeating it changes nothing.

    Permissions: s3:GetObject

    Raises:
        StepFailed: something is not in the evidence; nothing was deleted.
    """
    subject = f"artifacts of {run_id}"
    folder = Path(environment.test_kit.artifacts).expanduser() / run_id
    kept = evidence_of(environment, run_id)
    if not folder.exists() and not folder.is_symlink():
        return Effect(subject=subject, changed=False, after="deleted")
    missing = {
        name for name, digest in contents(run_folder(environment, run_id)).items()
        if kept is None or kept.files.get(name) != digest
    }  # fmt: skip
    if missing:
        raise StepFailed(
            f"{min(missing)} of {run_id} is not in the evidence as it is now; nothing was deleted.",
            hint="Something still writes there: end the run, then start this again.",
        )
    shutil.rmtree(folder)
    return Effect(
        subject=subject, changed=True, before=f"{len(kept.files if kept else {})} files", after="deleted"
    )


def evidence_of(environment: Environment, run_id: str) -> Evidence | None:
    """What is kept of a run, read to its end; None: nothing."""
    with _got(environment, run_id) as source:
        if source is None:
            return None
        return Evidence(files=sealed_contents(source, copies_seal(environment), run_id))


def take_out(environment: Environment, run_id: str, to: Path) -> None:
    """Put the evidence back as files, for whoever has to look into it; links are left out.

    Raises:
        StepFailed: there is none, or it cannot be read.
    """
    with _got(environment, run_id) as source:
        if source is None:
            raise StepFailed(f"There is no evidence of {run_id}.", hint="Look where copies are kept.")
        to.mkdir(parents=True, exist_ok=True, mode=0o700)
        with unsealed(source, copies_seal(environment), run_id) as archive:
            archive.extractall(to, (info for info in archive if info.isreg()), filter="data")


def exposed_values(environment: Environment, run_id: str, *, personal: bool) -> set[bytes]:
    """What is in the evidence, credentials or personal data, for what must look for it elsewhere.

    Plain words and what is shorter than 8 bytes are left out: they are in anything. A key's id may be letters alone.

    Raises:
        StepFailed: there is no evidence.
    """
    values: set[bytes] = set()
    with _got(environment, run_id) as source:
        if source is None:
            raise StepFailed(f"There is no evidence of {run_id}.", hint="Look where copies are kept.")
        with unsealed(source, copies_seal(environment), run_id) as archive:
            for info in archive:
                inside = cast("BinaryIO | None", archive.extractfile(info) if info.isreg() else None)
                for part in parts(inside, Budget.of(info.size), _say_nothing, info.name) if inside else ():
                    values |= {
                        found.secret
                        for found in scan_stream(part.stream, fastest())
                        if (found.kind in PERSONAL) is personal
                    }
    return {value for value in values if len(value) >= (LONGEST_WORD if value.isalpha() else SHORTEST)}


def _say_nothing(_member: str, _reason: str) -> None:
    """The report of the scan has said it."""


def _name(run_id: str) -> str:
    return f"{run_id}.evidence"


def _put(environment: Environment, run_id: str, draft: IO[bytes]) -> None:
    store = environment.test_kit.copies
    if store.bucket:
        with translated("keep the evidence"):
            environment.aws.client("s3").upload_fileobj(
                draft,
                store.bucket,
                f"{store.prefix}/{environment.name}/{_name(run_id)}",
                ExtraArgs={"ServerSideEncryption": "AES256"},
            )
        return
    folder = Path(store.directory or "").expanduser() / environment.name
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with whole_file(folder / _name(run_id)) as out:
            shutil.copyfileobj(draft, out, 1 << 20)
    except OSError as error:
        raise _no_room(folder, error) from error


def _no_room(folder: Path, error: OSError) -> StepFailed:
    return StepFailed(
        f"The evidence could not be kept in {folder}: {error.strerror}.",
        hint="Nothing is deleted without it. Make room, or name another place for copies.",
    )


@contextlib.contextmanager
def _got(environment: Environment, run_id: str) -> Iterator[IO[bytes] | None]:
    store = environment.test_kit.copies
    if store.bucket:
        with tempfile.TemporaryFile() as draft:  # encrypted, as it was
            try:
                with translated("read the evidence"):
                    environment.aws.client("s3").download_fileobj(
                        store.bucket, f"{store.prefix}/{environment.name}/{_name(run_id)}", draft
                    )
            except NotThere:
                yield None
                return
            draft.seek(0)
            yield cast("IO[bytes]", draft)
        return
    path = Path(store.directory or "").expanduser() / environment.name / _name(run_id)
    if not path.is_file():
        yield None
        return
    with path.open("rb") as source:
        yield source
