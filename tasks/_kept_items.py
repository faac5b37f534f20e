"""A copy of items on this host: a private file that is complete, on the disk and counted before it has its name.

One line an item, `{"Item": …}` in DynamoDB's own JSON, gzipped: what AWS's export writes and its import reads.
"""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from blocks.settings import settings
from rules.errors import StepFailed
from rules.polluted_items import Selector
from rules.values import Frozen
from tasks._whole_files import sha256_of, whole_file


class Manifest(Frozen):
    """What a copy holds, and the SHA-256 of its file."""

    table: str
    items: int
    sha256: str


class KeptItems:
    """The copy of what a selector chose in an environment. Readable by this user only."""

    def __init__(self, environment: str, selector: Selector) -> None:
        folder = settings().home / "kept" / environment / selector.table
        self.path = folder / f"{selector.run}-{selector.until:%Y%m%dT%H%M%S}.jsonl.gz"
        self.table = selector.table
        self._manifest = self.path.with_suffix("").with_suffix(".manifest.json")

    def manifest(self) -> Manifest | None:
        """What the copy holds; None when there is no whole one.

        Raises:
            StepFailed: the file is not what was written.
        """
        try:
            told = Manifest.model_validate_json(self._manifest.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        if not self.path.exists() or sha256_of(self.path) != told.sha256:
            raise StepFailed(
                f"The copy {self.path.name} of {self.table} is not what was written.",
                hint=f"Nothing is deleted without a whole copy. Look at {self.path.parent} by hand.",
            )
        return told

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Write the copy. It gets its name when the block ends, all of it is on the disk and has been read again."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (
            whole_file(self.path) as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1, mtime=0) as packed,
        ):
            writer = Writer(packed)
            yield writer
        read = sum(1 for _ in self.items())
        if read != writer.count:
            raise StepFailed(
                f"{writer.count} items of {self.table} were written, {read} can be read again.",
                hint="The disk cannot be trusted. Nothing was deleted.",
            )
        told = Manifest(table=self.table, items=read, sha256=sha256_of(self.path))
        with whole_file(self._manifest) as file:
            file.write(told.model_dump_json().encode())

    def items(self) -> Iterator[dict[str, Any]]:
        """Every item, as it was read from the table; never all of them in memory."""
        with gzip.open(self.path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line, object_hook=_typed)["Item"]

    def chunks(self, size: int) -> Chunks:
        """The items in lists of that size, for several threads to draw from."""
        return Chunks(self.items(), size)


class Writer:
    """Takes items from several threads."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self.count = 0
        self._file, self._lock = file, threading.Lock()

    def add(self, items: Iterable[dict[str, Any]]) -> None:
        """Write items behind those that are there."""
        lines = [json.dumps({"Item": item}, default=_base64, separators=(",", ":")) + "\n" for item in items]
        with self._lock:
            self._file.write("".join(lines).encode())
            self.count += len(lines)


class Chunks:
    """Lists of items for several threads: each list goes to one of them."""

    def __init__(self, items: Iterator[dict[str, Any]], size: int) -> None:
        self._items, self._size, self._lock = items, size, threading.Lock()

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """The next list for whoever asks, until none is left."""
        while chunk := self._next():
            yield chunk

    def _next(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(itertools.islice(self._items, self._size))


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} is no value of DynamoDB")


def _typed(value: dict[str, Any]) -> dict[str, Any]:
    """Bytes back from their base64: a value tagged B is text only there, every attribute's value is a mapping."""
    if isinstance(value.get("B"), str):
        return {"B": base64.b64decode(value["B"])}
    if isinstance(value.get("BS"), list):
        return {"BS": [base64.b64decode(each) for each in value["BS"]]}
    return value
