"""Tars that are made while they are sent: of any size, and in no more memory than a piece."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Zeros:
    """So many bytes of nothing."""

    size: int


Content = Path | bytes | Zeros | None
"""Of a member; None: it has none."""
_PIECE, _BLOCK = 1 << 20, 512


def folder_entry(name: str, owner: tarfile.TarInfo, mode: int) -> tarfile.TarInfo:
    """A folder."""
    info = file_entry(name, owner, 0)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info


def file_entry(name: str, owner: tarfile.TarInfo, size: int) -> tarfile.TarInfo:
    """A file that everybody may read, and its owner write."""
    info = tarfile.TarInfo(name)
    info.size, info.uid, info.gid, info.mode = size, owner.uid, owner.gid, 0o644
    return info


def second_name(name: str, target: str, owner: tarfile.TarInfo) -> tarfile.TarInfo:
    """Another name of a file that is there, or comes before it in the tar: it is no copy, and takes no space."""
    info = file_entry(name, owner, 0)
    info.type, info.linkname = tarfile.LNKTYPE, target
    return info


def pieces(members: Iterable[tuple[tarfile.TarInfo, Content]]) -> Iterator[bytes]:
    """A tar, piece by piece: data of any size takes no memory."""
    for info, content in members:
        yield info.tobuf(tarfile.PAX_FORMAT)
        if isinstance(content, bytes):
            yield content
        elif isinstance(content, Zeros):
            for start in range(0, content.size, _PIECE):
                yield bytes(min(_PIECE, content.size - start))
        elif content is not None:
            with content.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        yield bytes(-info.size % _BLOCK)
    yield bytes(2 * _BLOCK)
