"""The folder in which a container's Redis keeps its data: looked at and written through the engine alone.

Nothing is run in the container, so it may be stopped, never started or crashing, and needs no shell.
"""

from __future__ import annotations

import contextlib
import functools
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from blocks.docker_errors import Absent, translated
from rules.errors import StepFailed, TransientFailure
from rules.redis_restores import (
    COMPLETE,
    INCOMING,
    MARK,
    AppendFiles,
    KeptData,
    Mark,
    append_files,
    append_manifest,
    append_names,
    has_several_append_files,
)
from rules.redis_settings import RedisSettings
from rules.values import Frozen
from tasks._container_files import archived, copy_out, small_file
from tasks._tar_streams import Content, file_entry, folder_entry, pieces, second_name

if TYPE_CHECKING:
    from docker import DockerClient

_NOTE_BYTES = 1 << 20
Note = TypeVar("Note", bound=Frozen)


class RedisFolder:
    """The data folder of one container, as Redis finds it when it starts with these settings."""

    def __init__(self, client: DockerClient, container: str, settings: RedisSettings) -> None:
        self.client, self.container, self.settings = client, container, settings
        self.files = [settings.data_file]
        if settings.append_only and not has_several_append_files(settings.version):
            self.files.append(settings.append_file)

    def restored(self) -> Mark | None:
        """Which backup was put here last, and by which incident; None when none was put here whole."""
        return self._note(MARK, Mark)

    def kept(self, folder: str) -> KeptData | None:
        """What a folder keeps; None when it is not there, or not whole."""
        return self._note(f"{folder}/{COMPLETE}", KeptData)

    def keep(self, folder: str, note: KeptData, *, memory: Path | None = None) -> KeptData:
        """Keep the old data in a folder beside it, under second names: that takes no space and no time.

        Args:
            folder: The new folder; one that was kept there in part is written over.
            note: What to write down there last.
            memory: What Redis held that its files do not; empty: they have everything.
        """
        listed = self._append_files()
        try:
            return self._keep(folder, note, listed.names if listed else (), memory)
        except TransientFailure:
            raise
        except StepFailed:  # it lists what is not there: whatever is there is kept then
            return self._keep(folder, note, self._names_in(self.settings.append_directory), memory)

    def _keep(self, folder: str, note: KeptData, names: Iterable[str], memory: Path | None) -> KeptData:
        there = [(name, head) for name in self.files if (head := self._head(name))]
        inside = self._head(self.settings.append_directory) if self.settings.append_only else None
        members: list[tuple[tarfile.TarInfo, Content]] = [(folder_entry(folder, self.owner, 0o700), None)]
        if inside is not None:
            members.append((folder_entry(f"{folder}/{self.settings.append_directory}", inside, 0o755), None))
            there += [(f"{self.settings.append_directory}/{name}", inside) for name in names]
        members += [(second_name(f"{folder}/{name}", name, head), None) for name, head in there]
        if memory is not None:
            members.append((file_entry(f"{folder}/memory.rdb", self.owner, memory.stat().st_size), memory))
        whole = note.model_copy(
            update={"files": tuple(name for name, _ in there), "memory": memory is not None}
        )
        self._put([*members, self._written(f"{folder}/{COMPLETE}", whole)])
        return whole

    def bring(self, data: Path) -> None:
        """Bring a backup's data into the folder, where Redis does not look for it: it may run meanwhile.

        What takes time and space is done then, and nothing was changed if that fails.
        """
        try:
            self._put([(file_entry(INCOMING, self.owner, data.stat().st_size), data)])
        except StepFailed:
            with contextlib.suppress(StepFailed):
                self._put([self._nothing()])  # half of it would fill the disk for Redis too
            raise

    def put(self, mark: Mark) -> None:
        """Put what was brought where Redis will look for it, and say so last.

        All of it is second names of one file: Redis writes neither to a data file nor to an append-only file's base.
        """
        owner, settings = self.owner, self.settings
        several = has_several_append_files(settings.version)
        # Older ones take a data file for the beginning of what was appended, and append to it.
        believed = settings.append_file if settings.append_only and not several else settings.data_file
        members: list[tuple[tarfile.TarInfo, Content]] = [(second_name(believed, INCOMING, owner), None)]
        if settings.append_only and several:
            number = self._free_number()
            base, appended = (
                f"{settings.append_directory}/{name}" for name in append_names(settings, number)
            )
            manifest = append_manifest(settings, number).encode()
            listing = f"{settings.append_directory}/{settings.append_file}.manifest"
            inside = self._head(settings.append_directory) or owner
            members += [
                (folder_entry(settings.append_directory, inside, inside.mode | 0o700), None),
                (second_name(base, INCOMING, owner), None),
                (file_entry(appended, owner, 0), b""),
                (file_entry(listing, owner, len(manifest)), manifest),
            ]
        # Its first name goes, with the space it would hold once Redis has written anew.
        self._put([*members, self._nothing(), self._written(MARK, mark)])

    def _nothing(self) -> tuple[tarfile.TarInfo, Content]:
        return file_entry(INCOMING, self.owner, 0), b""

    def put_back(self, folder: str, kept: KeptData, mark: Mark, scratch: Path) -> None:
        """Put copies of what was kept back where it was, and say so last."""
        members: list[tuple[tarfile.TarInfo, Content]] = []
        sources = {name: f"{folder}/{name}" for name in kept.files}
        if kept.memory:
            sources[self.settings.data_file] = f"{folder}/memory.rdb"
        for number, (name, source) in enumerate(sources.items()):
            copy = scratch / str(number)
            copy_out(self.client, self.container, self._path(source), copy)
            members.append((file_entry(name, self.owner, copy.stat().st_size), copy))
        self._put([*members, self._written(MARK, mark)])

    @functools.cached_property
    def owner(self) -> tarfile.TarInfo:
        """Whose the old data file is; the folder's owner where there is none, or only root could read it."""
        folder = self._head(".") or tarfile.TarInfo()
        file = self._head(self.settings.data_file)
        return folder if file is None or (file.uid == 0 and folder.uid != 0) else file

    def _head(self, name: str) -> tarfile.TarInfo | None:
        """Owner and mode of something in the folder; None when it is not there."""
        try:
            with archived(self.client, self.container, self._path(name)) as tar:
                return tar.next()
        except Absent:
            return None

    def _names_in(self, folder: str) -> list[str]:
        try:
            with archived(self.client, self.container, self._path(folder)) as tar:
                return [member.name.partition("/")[2] for member in tar if member.isreg()]
        except Absent:
            return []

    def _append_files(self) -> AppendFiles | None:
        """What the append-only file consists of; None when it has no manifest, or one that cannot be read."""
        listing = f"{self.settings.append_directory}/{self.settings.append_file}.manifest"
        text = small_file(self.client, self.container, self._path(listing), _NOTE_BYTES)
        found = append_files(text.decode("utf-8", "replace")) if text is not None else None
        if found is None and self.settings.append_only:
            names = self._names_in(self.settings.append_directory)
            numbers = [int(part) for name in names for part in name.split(".") if part.isdigit()]
            return AppendFiles(names=tuple(names), next_number=max(numbers, default=0) + 1)
        listed_too = f"{self.settings.append_file}.manifest"
        return found and found.model_copy(update={"names": (*found.names, listed_too)})

    def _free_number(self) -> int:
        found = self._append_files()
        return found.next_number if found else 1

    def _note(self, name: str, kind: type[Note]) -> Note | None:
        text = small_file(self.client, self.container, self._path(name), _NOTE_BYTES)
        try:
            return kind.model_validate_json(text) if text else None
        except ValidationError:
            return None

    def _written(self, name: str, note: Frozen) -> tuple[tarfile.TarInfo, Content]:
        text = note.model_dump_json().encode()
        return file_entry(name, self.owner, len(text)), text

    def _put(self, members: Iterable[tuple[tarfile.TarInfo, Content]]) -> None:
        with translated(f"write to {self.settings.directory} of the container {self.container[:12]}"):
            self.client.api.put_archive(self.container, self.settings.directory, pieces(members))

    def _path(self, name: str) -> str:
        return f"{self.settings.directory.rstrip('/')}/{name}"
