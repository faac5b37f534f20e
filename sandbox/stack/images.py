"""The practice stack's images: one shared ground of Debian packages, and a few files of each service on top."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.stack.packages import Ground, archive, entry, ground

if TYPE_CHECKING:
    from docker import DockerClient

FILES = Path(__file__).parent / "files"
PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin"
LABEL = "backstop.sandbox.image"
REDIS = 999
"""The user Redis runs as, and whose the files of its volume are, as in its official image."""
COMMANDS = ("cat", "chmod", "dd", "df", "grep", "id", "ls", "nc", "nslookup", "rm", "sh", "sleep", "wget")
BEGINNING = "1970-01-01T00:00:00Z"
"""When images were made, they all say: the same content has the same id, and Compose makes nothing anew."""


@dataclass(frozen=True, slots=True)
class Image:
    """What one image adds to the ground."""

    tag: str
    command: tuple[str, ...]
    files: Mapping[str, bytes]
    environment: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    stop_signal: str = "SIGTERM"
    user: str = ""


def images() -> tuple[Image, ...]:
    """Every image of the stack: the app in three releases."""
    nginx = ("nginx", "-c")
    app = {"etc/app/app.conf": read("app.conf")}
    return (
        Image("backstop-sandbox/redis:7", ("redis-server",), {}, ports=(6379,), user=f"{REDIS}:{REDIS}"),
        Image(
            "backstop-sandbox/gateway:1",
            (*nginx, "/etc/gateway/gateway.conf"),
            {
                "etc/gateway/gateway.conf": read("gateway.conf"),
                "etc/gateway/gateway.lua": read("gateway.lua"),
                "etc/gateway/parse.conf": read("parse.conf"),
                "usr/local/bin/kong": read("kong.sh"),
            },
            ports=(8000, 8001),
            stop_signal="SIGQUIT",
        ),
        Image("backstop-sandbox/nginx:1", (*nginx, "/etc/nginx/nginx.conf"), {}, ports=(8085,)),
        *(
            Image(f"backstop-sandbox/app:{release}", (*nginx, "/etc/app/app.conf"), app,
                  (f"APP_RELEASE={release}",), (8082,), "SIGQUIT")
            for release in (1, 2, 3)
        ),
    )  # fmt: skip


def read(name: str) -> bytes:
    """A file of the stack."""
    return (FILES / name).read_bytes()


def load(client: DockerClient) -> dict[str, str]:
    """Bring every image to an engine that lacks one; the id of each by tag. Loading them again changes nothing.

    Raises:
        RecoveryRefused: this machine has no apt.
        StepFailed: apt cannot say or fetch what is needed.
    """
    base = ground()
    configurations = {image.tag: configuration(image, base) for image in images()}
    wanted = {tag: f"sha256:{hashlib.sha256(text).hexdigest()}" for tag, text in configurations.items()}
    there = {tag: each.id for each in client.images.list("backstop-sandbox/*") for tag in each.tags}
    if any(there.get(tag) != identity for tag, identity in wanted.items()):
        with base.archive.open("rb") as layer:
            client.images.load(bundle(layer.read(), base, configurations))
    return wanted


def configuration(image: Image, base: Ground) -> bytes:
    """The image's configuration, whose hash is its id."""
    own = hashlib.sha256(layer(image)).hexdigest()
    return json.dumps(
        {
            "architecture": machine(base),
            "os": "linux",
            "created": BEGINNING,
            "config": {
                "Cmd": list(image.command),
                "Env": [PATH, *image.environment],
                "ExposedPorts": {f"{port}/tcp": {} for port in image.ports},
                "Labels": {LABEL: image.tag},
                "StopSignal": image.stop_signal,
                "User": image.user,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{base.sha256}", f"sha256:{own}"]},
            "history": [{"created": BEGINNING}, {"created": BEGINNING}],
        },
        sort_keys=True,
    ).encode()


def machine(base: Ground) -> str:
    """The architecture the packages are for."""
    found = {name.removesuffix(".deb").rpartition("_")[2] for name in base.packages} - {"all"}
    return found.pop()


def layer(image: Image) -> bytes:
    """The files an image adds. A new volume takes over whose its folder in the image is."""
    files: dict[str, tuple[tarfile.TarInfo, bytes]] = {
        name: (entry(name, mode=0o755 if name.startswith("usr/local/bin/") else 0o644), content)
        for name, content in image.files.items()
    }
    for name in COMMANDS:
        link = f"usr/bin/{name}"
        files[link] = (entry(link, kind=tarfile.SYMTYPE, target="busybox"), b"")
    if image.user:
        files["data"] = (entry("data", kind=tarfile.DIRTYPE, mode=0o755, owner=REDIS), b"")
    files["etc/image"] = (entry("etc/image"), f"{image.tag}\n".encode())
    return archive(files)


def bundle(base_layer: bytes, base: Ground, configurations: Mapping[str, bytes]) -> io.BytesIO:
    """All images in the form that `docker save` writes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:

        def add(name: str, content: bytes) -> None:
            info = entry(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

        add(f"{base.sha256}/layer.tar", base_layer)
        manifest: list[dict[str, Any]] = []
        for image in images():
            own, text = layer(image), configurations[image.tag]
            place = f"{hashlib.sha256(own).hexdigest()}/layer.tar"
            name = f"{hashlib.sha256(text).hexdigest()}.json"
            add(place, own)
            add(name, text)
            manifest.append(
                {"Config": name, "RepoTags": [image.tag], "Layers": [f"{base.sha256}/layer.tar", place]}
            )
        add("manifest.json", json.dumps(manifest).encode())
    buffer.seek(0)
    return buffer
