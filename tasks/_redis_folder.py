"""The folder in which a container's Redis keeps its data: looked at and written through the engine alone.

Nothing is run in the container, so it may be stopped, never started or crashing, and needs no shell.
"""

from __future__ import annotations

import contextlib
import functools
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from blocks.docker_errors import Absent, translated
from rules.errors import StepFailed, TransientFailure
from rules.redis_restores import (
    COMPLETE,
    INCOMING,
    MARK,
    RESERVED,
    ROOM,
    AppendFiles,
    KeptData,
    Mark,
    append_manifest,
    append_names,
    has_several_append_files,
)
from rules.redis_settings import RedisSettings
from rules.values import Frozen
from tasks._container_files import archived, copy_out, small_file
from tasks._redis_append_files import append_files_of, append_names_in
from tasks._tar_streams import Content, Zeros, file_entry, folder_entry, pieces, second_name

if TYPE_CHECKING:
    from docker import DockerClient

_NOTE_BYTES = 1 << 20
Note = TypeVar("Note", bound=Frozen)
Member = tuple[tarfile.TarInfo, Content]


@dataclass(frozen=True, slots=True)
class Layout:
    """What of Redis's data lies in its folder."""

    files: dict[str, tarfile.TarInfo]
    inside: tarfile.TarInfo | None
    """The folder of an append-only file that has several."""
    listed: AppendFiles | None

    @property
    def names(self) -> tuple[str, ...]:
        """Of its append-only file's parts, as it lists them."""
        return self.listed.names if self.listed else ()


class RedisFolder:
    """The data folder of one container, as Redis finds it when it starts with these settings."""

    def __init__(self, client: DockerClient, container: str, settings: RedisSettings) -> None:
        self.client, self.container, self.settings = client, container, settings
        self.files = [settings.data_file]
        if settings.append_only and not has_several_append_files(settings.version):
            self.files.append(settings.append_file)
        self._heads = dict[str, tarfile.TarInfo]()
        self._last: Layout | None = None

    def restored(self) -> Mark | None:
        """Which backup was put here last, and by which incident; None when none was put here whole."""
        return self._note(MARK, Mark)

    def kept(self, folder: str) -> KeptData | None:
        """What a folder keeps; None when it is not there, or not whole."""
        return self._note(f"{folder}/{COMPLETE}", KeptData)

    def keep(self, folder: str, note: KeptData, *, memory: Path | None = None) -> None:
        """Keep the old data in a folder beside it, under second names: that takes no space and no time.

        Args:
            folder: The new folder; one that was kept there in part is written over.
            note: What to write down there last.
            memory: What Redis held that its files do not; empty: they have everything.
        """
        self._last = found = self._layout()
        try:
            self._put(self._kept(folder, note, found, found.names, memory))
        except TransientFailure:
            raise
        except StepFailed:  # it lists what is not there: whatever is there is kept then
            names = append_names_in(self.client, self.container, self.settings)
            self._put(self._kept(folder, note, found, names, memory))

    def replace(self, data: Path, folder: str, note: KeptData, mark: Mark) -> None:
        """`bring`, `keep` and `put` in one go, in that order, where Redis does not run: each has the engine mount it.

        Raises:
            StepFailed: there is no room for it, or the old data lists what is not there. What was done is whole.
        """
        self._last = found = self._layout()
        brought = [(file_entry(INCOMING, self.owner, data.stat().st_size), data), self._room(ROOM)]
        kept = self._kept(folder, note, found, found.names, None)
        self._fill([*brought, *kept, *self._placed(mark)])

    def _kept(
        self, folder: str, note: KeptData, found: Layout, names: Iterable[str], memory: Path | None
    ) -> list[Member]:
        there, inside = [*found.files.items()], found.inside
        members = [*self._nothing(RESERVED), (folder_entry(folder, self.owner, 0o700), None)]
        if inside is not None:
            members.append((folder_entry(f"{folder}/{self.settings.append_directory}", inside, 0o755), None))
            there += [(f"{self.settings.append_directory}/{name}", inside) for name in names]
        members += [(second_name(f"{folder}/{name}", name, head), None) for name, head in there]
        if memory is not None:
            members.append((file_entry(f"{folder}/memory.rdb", self.owner, memory.stat().st_size), memory))
        whole = note.model_copy(
            update={"files": tuple(name for name, _ in there), "memory": memory is not None}
        )
        return [*members, self._written(f"{folder}/{COMPLETE}", whole)]

    def bring(self, data: Path) -> None:
        """Bring a backup's data into the folder, where Redis does not look for it: it may run meanwhile.

        What takes time and space is done then, room for the rest reserved, and nothing was changed if that fails.
        """
        self._fill([(file_entry(INCOMING, self.owner, data.stat().st_size), data), self._room(ROOM)])

    def reserve(self, size: int) -> None:
        """Take the room for so many bytes and for notes, until `keep` gives it back; without it nothing was changed."""
        self._fill([self._room(ROOM + size)])

    def _room(self, size: int) -> Member:
        return file_entry(RESERVED, self.owner, size), Zeros(size)

    def _fill(self, members: list[Member]) -> None:
        try:
            self._put(members)
        except StepFailed:
            with contextlib.suppress(StepFailed):
                self.clear()
            raise

    def clear(self) -> None:
        """Give back the space of what was brought and reserved: a full disk would stop Redis too."""
        self._put(self._nothing(INCOMING, RESERVED))

    def put(self, mark: Mark) -> None:
        """Put what was brought where Redis will look for it, and say so last. Redis has not run since `keep`.

        All of it is second names of one file: Redis writes neither to a data file nor to an append-only file's base.
        """
        self._put(self._placed(mark))

    def _placed(self, mark: Mark) -> list[Member]:
        owner, settings = self.owner, self.settings
        several = has_several_append_files(settings.version)
        # Older ones take a data file for the beginning of what was appended, and append to it.
        believed = settings.append_file if settings.append_only and not several else settings.data_file
        members: list[Member] = [(second_name(believed, INCOMING, owner), None)]
        if settings.append_only and several:
            found = self._last or self._layout()
            number = found.listed.next_number if found.listed else 1
            base, appended = (
                f"{settings.append_directory}/{name}" for name in append_names(settings, number)
            )
            manifest = append_manifest(settings, number).encode()
            listing = f"{settings.append_directory}/{settings.append_file}.manifest"
            inside = found.inside or owner
            members += [
                (folder_entry(settings.append_directory, inside, inside.mode | 0o700), None),
                (second_name(base, INCOMING, owner), None),
                (file_entry(appended, owner, 0), b""),
                (file_entry(listing, owner, len(manifest)), manifest),
            ]
        # Its first name goes, with the space it would hold once Redis has written anew.
        return [*members, *self._nothing(INCOMING, RESERVED), self._written(MARK, mark)]

    def _nothing(self, *names: str) -> list[Member]:
        return [(file_entry(name, self.owner, 0), b"") for name in names]

    def copies(self, folder: str, kept: KeptData, scratch: Path) -> dict[str, Path]:
        """Copies of what was kept, by where it was; Redis may run meanwhile."""
        sources = {name: f"{folder}/{name}" for name in kept.files}
        if kept.memory:
            sources[self.settings.data_file] = f"{folder}/memory.rdb"
        found = {name: scratch / str(number) for number, name in enumerate(sources)}
        for name, copy in found.items():
            copy_out(self.client, self.container, self._path(sources[name]), copy)
        return found

    def put_back(self, copies: Mapping[str, Path], mark: Mark) -> None:
        """Put them where they were, and say so last."""
        back = [(file_entry(name, self.owner, copy.stat().st_size), copy) for name, copy in copies.items()]
        self._put([*self._nothing(RESERVED), *back, self._written(MARK, mark)])

    @functools.cached_property
    def owner(self) -> tarfile.TarInfo:
        """Whose the old data file is; the folder's owner where there is none, or only root could read it."""
        file = self._head(self.settings.data_file)
        if file is not None and file.uid:
            return file
        folder = self._head(".") or tarfile.TarInfo()
        return folder if file is None or folder.uid else file

    def _layout(self) -> Layout:
        files = {name: head for name in self.files if (head := self._head(name))}
        folder = self.settings.append_directory
        inside = self._head(folder) if self.settings.append_only else None
        listed = append_files_of(self.client, self.container, self.settings) if inside else None
        return Layout(files=files, inside=inside, listed=listed)

    def _head(self, name: str) -> tarfile.TarInfo | None:
        """Owner and mode of something in the folder; None when it is not there. Redis takes none of it away."""
        if name not in self._heads:
            try:
                with archived(self.client, self.container, self._path(name)) as tar:
                    head = tar.next()
            except Absent:
                return None
            if head is None:
                return None
            self._heads[name] = head
        return self._heads[name]

    def _note(self, name: str, kind: type[Note]) -> Note | None:
        text = small_file(self.client, self.container, self._path(name), _NOTE_BYTES)
        try:
            return kind.model_validate_json(text) if text else None
        except ValidationError:
            return None

    def _written(self, name: str, note: Frozen) -> Member:
        text = note.model_dump_json().encode()
        return file_entry(name, self.owner, len(text)), text

    def _put(self, members: Iterable[Member]) -> None:
        with translated(f"write to {self.settings.directory} of the container {self.container[:12]}"):
            self.client.api.put_archive(self.container, self.settings.directory, pieces(members))

    def _path(self, name: str) -> str:
        return f"{self.settings.directory.rstrip('/')}/{name}"
