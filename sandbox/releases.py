"""The sandbox's releases: commits in a Git repository, packages in the buckets, deployed by real Terraform."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox import history
from sandbox.places import ENVIRONMENTS, FUNCTIONS, Home, Place

_WHEN = "2026-01-0{} 09:00:00 +0000"
"""Commits of fixed dates and authors have the same ids in every sandbox."""


@dataclass(frozen=True, slots=True)
class Release:
    """A commit of the service and its packages."""

    name: str
    """The commit's full id."""
    number: int
    """1 is the oldest."""
    message: str
    good: bool


def build(home: Home) -> list[Release]:
    """Commit and package every release into the home; what is there already is kept."""
    if home.releases.exists():
        return read(home)
    shutil.rmtree(home.repository, ignore_errors=True)
    found = []
    with tempfile.TemporaryDirectory(prefix="backstop-service-") as folder:
        work = Path(folder)
        git(work, "init", "--quiet", "--initial-branch=main")
        for part in ("service", "infrastructure"):
            shutil.copytree(history.HERE / part, work / part, ignore=shutil.ignore_patterns("__pycache__"))
        for number, chapter in enumerate(history.CHAPTERS, start=1):
            for edit in chapter.edits:
                edit.apply(work)
            git(work, "add", "--all")
            git(work, "commit", "--quiet", "--message", chapter.message, number=number)
            name = git(work, "rev-parse", "HEAD").strip()
            found.append(Release(name, number, chapter.message, chapter.good))
            for package in FUNCTIONS:
                file = home.packages / package / f"lambda-{name}.zip"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(packaged(work / "service", package, name))
        git(work, "clone", "--quiet", "--bare", str(work), str(home.repository))
    home.releases.write_text(json.dumps([asdict(release) for release in found], indent=1), encoding="utf-8")
    return found


def read(home: Home) -> list[Release]:
    """The built releases, oldest first."""
    return [Release(**entry) for entry in json.loads(home.releases.read_text(encoding="utf-8"))]


def forget_later(home: Home) -> None:
    """Set the repository's default branch back to the last release; branches that others pushed are gone."""
    git(home.repository, "update-ref", "refs/heads/main", read(home)[-1].name)
    for branch in git(home.repository, "for-each-ref", "--format=%(refname)", "refs/heads/backstop").split():
        git(home.repository, "update-ref", "-d", branch)


def packaged(service: Path, package: str, release: str) -> bytes:
    """The package of one function: the same bytes for the same source, wherever and whenever it is made."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        texts = {
            f"service/{name}.py": (service / f"{name}.py").read_text("utf-8")
            for name in ("__init__", "health")
        }
        texts[f"service/{package}.py"] = (service / f"{package}.py").read_text("utf-8")
        texts["service/release.txt"] = f"{release}\n"
        for name, text in sorted(texts.items()):
            entry = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def upload(home: Home) -> None:
    """Put every package into every environment's bucket."""
    from sandbox.organs import organ_client

    s3 = organ_client("s3", home.addresses().aws_url)
    for environment in ENVIRONMENTS:
        for file in sorted(home.packages.glob("*/*.zip")):
            key = f"{file.parent.name}/{file.name}"
            s3.put_object(Bucket=Place(environment).bucket, Key=key, Body=file.read_bytes())


def git(folder: Path, *arguments: str, number: int = 1) -> str:
    """Run git as nobody in particular, at a fixed time."""
    who = {"NAME": "Sandbox", "EMAIL": "sandbox@example.invalid", "DATE": _WHEN.format(number)}
    variables = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=inherited | variables | alone,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout
