"""The files of Debian packages as one reproducible archive: the ground every image of the practice stack stands on.

Nothing is installed on the machine: apt only says which packages are needed and fetches them.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rules.errors import RecoveryRefused, StepFailed

WANTED = (
    "busybox-static", "libnginx-mod-http-lua", "lua-cjson", "lua-yaml", "nginx-light", "redis-server",
)  # fmt: skip
ONLY_FOR_INSTALLING = (
    "adduser", "debconf", "dpkg", "init-system-helpers", "iproute2", "libperl", "lsb-base", "nginx-core", "passwd",
    "perl", "sysvinit-utils", "tar", "usrmerge",
)  # fmt: skip
"""What packages need while they are installed. Names begin with these; what only these need comes along unused."""
DROPPED = ("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/lintian/", "usr/share/bug/",
           "usr/share/info/", "usr/share/perl", "usr/lib/systemd/", "var/www/")  # fmt: skip
LISTS = Path("/var/lib/apt/lists")
"""Changes with what apt knows."""
MERGED = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
"""Folders that are links into usr/."""

ACCOUNTS = {
    "etc/passwd": "root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/false\nredis:x:999:999::/data:/bin/false\n"
    "nobody:x:65534:65534::/:/bin/false\n",
    "etc/group": "root:x:0:\nadm:x:4:\nwww-data:x:33:\nredis:x:999:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


@dataclass(frozen=True, slots=True)
class Ground:
    """The archive of the packages' files."""

    archive: Path
    """An uncompressed tar."""
    sha256: str
    packages: tuple[str, ...]
    """Each package's file name, with its version."""


def ground(cache: Path | None = None) -> Ground:
    """The packages' files as one tar, from the cache where these very versions were packed before.

    Raises:
        RecoveryRefused: this machine has no apt.
        StepFailed: apt cannot say or fetch what is needed.
    """
    folder = cache or cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        files = _needed(folder)
        recipe = hashlib.sha256(Path(__file__).read_bytes() + "\n".join(files).encode()).hexdigest()[:16]
        archive, digest = folder / f"ground-{recipe}.tar", folder / f"ground-{recipe}.sha256"
        if not digest.exists():
            fresh = archive.with_suffix(".new")
            fresh.write_bytes(packed(_fetched(folder, files)))
            fresh.replace(archive)
            digest.write_text(hashlib.sha256(archive.read_bytes()).hexdigest(), encoding="utf-8")
        return Ground(archive, digest.read_text(encoding="utf-8"), tuple(files))


def cache_folder() -> Path:
    """Where archives are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backstop" / "stack"


def _needed(folder: Path) -> dict[str, str]:
    """The packages to unpack: file name to package name. apt resolves them as for an empty machine."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise RecoveryRefused(
            "The practice stack's images are made of Debian packages, and this machine has no apt.",
            hint="Run it on Debian.",
        )
    asked = Path(__file__).read_bytes() + str(LISTS.stat().st_mtime_ns).encode()
    answered = folder / f"needed-{hashlib.sha256(asked).hexdigest()[:16]}.json"
    if answered.exists():
        kept: dict[str, str] = json.loads(answered.read_text(encoding="utf-8"))
        return kept
    nothing = folder / "no-packages"
    nothing.touch()
    words = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "--print-uris",
             "-o", "Debug::NoLocking=1", "-o", f"Dir::State::status={nothing}",
             "-o", f"Dir::Cache::archives={folder}/apt/"]  # fmt: skip
    (folder / "apt/partial").mkdir(parents=True, exist_ok=True)
    told = _apt([*words, *WANTED])
    found = {line.split()[1]: line.split()[1].partition("_")[0] for line in told.splitlines() if "'" in line}
    needed = {
        file: name
        for file, name in sorted(found.items())
        if not name.startswith(ONLY_FOR_INSTALLING) and not name.endswith("-dev")
    }
    answered.write_text(json.dumps(needed), encoding="utf-8")
    return needed


def _fetched(folder: Path, files: dict[str, str]) -> list[Path]:
    """The packages' files, fetched where they are not there yet."""
    place = folder / "packages"
    place.mkdir(exist_ok=True)
    if missing := [name for file, name in files.items() if not (place / file).exists()]:
        _apt(["apt-get", "-qq", "download", *missing], place)
    return [place / file for file in files]


def _apt(words: list[str], folder: Path | None = None) -> str:
    """What an apt command prints; where its lists are missing or old they are read again, once."""
    for last in (False, True):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout
        if last or os.getuid() != 0:
            raise StepFailed(
                f"apt cannot get the practice stack's packages: {' '.join(done.stderr.split())[:400]}",
                hint="Run apt-get update, and look at the machine's Debian sources.",
            )
        subprocess.run(["apt-get", "-qq", "update"], capture_output=True, check=False)
    raise AssertionError("unreachable")


def packed(packages: Iterable[Path]) -> bytes:
    """The packages' files in one tar, byte for byte the same every time."""
    found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    for package in packages:
        with tempfile.TemporaryFile() as stream:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=stream, check=True)
            stream.seek(0)
            with tarfile.open(fileobj=stream) as tar:
                for member in tar:
                    if kept := _member(member):
                        content = tar.extractfile(member) if member.isreg() else None
                        found[kept] = (member, content.read() if content else b"")
    for name in MERGED:
        found[name] = (entry(name, kind=tarfile.SYMTYPE, target=f"usr/{name}"), b"")
        found.setdefault(f"usr/{name}", (entry(f"usr/{name}", kind=tarfile.DIRTYPE, mode=0o755), b""))
    for name, text in ACCOUNTS.items():
        found[name] = (entry(name), text.encode())
    for name, mode in (("tmp", 0o1777), ("run", 0o755), ("var/lib/nginx", 0o777)):
        found[name] = (entry(name, kind=tarfile.DIRTYPE, mode=mode), b"")
    return archive(found)


def _member(member: tarfile.TarInfo) -> str | None:
    """Where a package's file goes; None when it is left out."""
    name = member.name.removeprefix("./").rstrip("/")
    if name.split("/")[0] in MERGED:
        name = f"usr/{name}"
    if not name or name in MERGED or f"{name}/".startswith(DROPPED):
        return None
    return name


def entry(
    name: str, *, kind: bytes = tarfile.REGTYPE, mode: int = 0o644, target: str = "", owner: int = 0
) -> tarfile.TarInfo:
    """An entry of a tar that says nothing of when or by whom it was made."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.uid, info.gid = kind, mode, target, owner, owner
    return info


def archive(members: dict[str, tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A tar of these members, sorted, without times and names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name in sorted(members):
            info, content = members[name]
            info.name, info.size, info.mtime, info.uname, info.gname = name, len(content), 0, "", ""
            if info.islnk():
                info.linkname = _member(entry(info.linkname)) or info.linkname
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
