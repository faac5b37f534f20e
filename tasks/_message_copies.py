"""Copies of the messages that were taken out of a queue: encrypted, whole before anything is deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.errors import StepFailed
from rules.values import Frozen
from tasks._seal_keys import copies_seal
from tasks._whole_files import whole_file

_SUFFIX = ".messages"


_read: dict[tuple[str, str], tuple[Copy, ...]] = {}
"""What this process has read, by place and name: a run's child process ends with its run."""

_in_turn: dict[str, tuple[tuple[str, ...], dict[str, Copy]]] = {}
"""The names of a place's copies and their messages in order: many thousands are sent on in many steps."""


class Attribute(Frozen):
    """One message attribute; `value` is base64 where the type is Binary."""

    type: str
    value: str


class Copy(Frozen):
    """One message, complete enough to be sent again."""

    id: str
    queue: str
    body: str
    attributes: dict[str, Attribute] = {}
    group: str = ""
    deduplication: str = ""
    trace: str = ""
    """Its X-Ray header."""
    sent_at: float = 0.0
    sequence: str = ""


class Copies:
    """The copies that one run's recovery makes in an environment."""

    def __init__(self, environment: Environment, run_id: str) -> None:
        store = environment.test_kit.copies
        self._seal, self._run = copies_seal(environment), run_id
        self._folder: _Directory | _Bucket = (
            _Directory(Path(store.directory).expanduser() / environment.name / run_id)
            if store.directory
            else _Bucket(environment, store.bucket or "", f"{store.prefix}/{environment.name}/{run_id}")
        )

    def keep(self, messages: Iterable[Copy]) -> None:
        """Keep messages; when this returns they are safe. Keeping the same ones again changes nothing."""
        found = sorted(messages, key=lambda message: message.id)
        if not found:
            return
        name = hashlib.sha256("\n".join(message.id for message in found).encode()).hexdigest()[:32]
        text = "\n".join(message.model_dump_json() for message in found)
        kept = f"{name}{_SUFFIX}"
        self._folder.write(kept, self._seal.close(text.encode(), self._run, kept))

    def all(self) -> dict[str, Copy]:
        """Every kept message by its id, in the order in which they were sent.

        Raises:
            StepFailed: a copy cannot be read with this key.
        """
        names = tuple(self._folder.names())
        known = _in_turn.get(place := str(self._folder))
        if known is None or known[0] != names:
            found = {copy.id: copy for name in names for copy in self._read(name)}
            turn = sorted(found.items(), key=lambda item: (item[1].sent_at, item[1].sequence, item[0]))
            known = _in_turn[place] = names, dict(turn)
        return known[1]

    def _read(self, name: str) -> tuple[Copy, ...]:
        """One copy. A copy is never changed: what this process has read it need not read again."""
        place = (str(self._folder), name)
        if place not in _read:
            lines = self._seal.open(self._folder.read(name), self._run, name).decode().splitlines()
            _read[place] = tuple(Copy.model_validate_json(line) for line in lines)
        return _read[place]


class _Directory:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, data: bytes) -> None:
        """All of it under its name, on the disk, for this user only; or nothing."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with whole_file(self._folder / name) as file:
                file.write(data)
        except OSError as error:
            raise StepFailed(
                f"A copy could not be kept in {self._folder}: {error.strerror}.",
                hint="Nothing is deleted without a copy. Make room, or name another place for copies.",
            ) from error

    def __str__(self) -> str:
        return str(self._folder)

    def names(self) -> list[str]:
        """Of every copy."""
        return sorted(path.name for path in self._folder.glob(f"*{_SUFFIX}"))

    def read(self, name: str) -> bytes:
        """One copy."""
        return (self._folder / name).read_bytes()


class _Bucket:
    def __init__(self, environment: Environment, bucket: str, prefix: str) -> None:
        self._s3, self._bucket, self._prefix = environment.aws.client("s3"), bucket, prefix

    def write(self, name: str, data: bytes) -> None:
        """One object; S3 has all of it when it answers."""
        with translated("keep a copy of messages"):
            self._s3.put_object(
                Bucket=self._bucket, Key=f"{self._prefix}/{name}", Body=data, ServerSideEncryption="AES256"
            )

    def __str__(self) -> str:
        return f"{self._bucket}/{self._prefix}"

    def names(self) -> list[str]:
        """Of every copy."""
        with translated("list the copies of messages"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._prefix}/"
            )
            return [entry["Key"].rpartition("/")[2] for page in pages for entry in page.get("Contents", [])]

    def read(self, name: str) -> bytes:
        """One copy."""
        with translated("read a copy of messages"):
            body = self._s3.get_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}")["Body"]
            return bytes(body.read())
