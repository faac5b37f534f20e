"""Packages of others to measure against: fetched from PyPI into a cache, never installed."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".backstop" / "foreign"
PIP = Path(__file__).parents[1] / ".backstop" / "tools" / "bin" / "python"


def fetch(requirement: str, *, source: bool = False) -> Path:
    """The folder that a package of PyPI was unpacked into: its wheel, or its source distribution.

    Raises:
        RuntimeError: it cannot be had here.
    """
    folder = CACHE / f"{requirement.replace('==', '-')}{'-source' if source else ''}"
    if folder.exists():
        return folder
    loaded = folder.with_name(f"{folder.name}.loaded")
    wanted = ["--no-binary", ":all:"] if source else ["--only-binary", ":all:"]
    if source:  # building may use wheels; only the package itself is wanted as source
        wanted = ["--no-binary", requirement.partition("==")[0]]
    words = [str(PIP if PIP.exists() else sys.executable), "-m", "pip", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*words, *wanted, "-d", str(loaded), requirement], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{requirement} cannot be had: {done.stderr.strip().splitlines()[-1:]}")
    (archive,) = loaded.iterdir()
    unpacked = folder.with_name(f"{folder.name}.unpacked")
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(unpacked)  # noqa: S202 - zipfile keeps members inside the folder
    else:
        with tarfile.open(archive) as sources:
            sources.extractall(unpacked, filter="data")
    unpacked.rename(folder)
    return folder
