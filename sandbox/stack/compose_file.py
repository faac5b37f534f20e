"""A Compose file as the practice stack reads it: the part of the format that its own files use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

LABEL = "com.docker.compose"
UNITS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}


@dataclass(frozen=True, slots=True)
class ComposeFile:
    """A Compose file with its variables put in."""

    path: Path
    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> ComposeFile:
        """Read it, with the variables of the `.env` beside it; KeyError names one that is missing."""
        import yaml

        variables = read_env(path.parent / ".env")
        text = Template(path.read_text(encoding="utf-8")).substitute(variables)
        return cls(path, yaml.safe_load(text))

    @property
    def project(self) -> str:
        """The project's name, which every label carries."""
        return str(self.content["name"])

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """Every service by name."""
        return dict(self.content["services"])

    def levels(self) -> list[list[str]]:
        """The services in the order they start: each level needs only those before it."""
        left = {name: set(service.get("depends_on", {})) for name, service in self.services.items()}
        levels: list[list[str]] = []
        while left:
            ready = sorted(name for name, needs in left.items() if not needs & left.keys())
            if not ready:
                raise ValueError(f"the services {sorted(left)} need each other")
            levels.append(ready)
            for name in ready:
                del left[name]
        return levels

    def environment(self, service: str) -> dict[str, str]:
        """What a service gets: its env files first, its own variables over them."""
        described = self.services[service]
        found: dict[str, str] = {}
        for name in described.get("env_file", []):
            found |= read_env(self.path.parent / name)
        return found | {key: str(value) for key, value in described.get("environment", {}).items()}

    def labels(self, service: str) -> dict[str, str]:
        """The labels Compose v2 would set."""
        described = self.services[service]
        said = json.dumps(described, sort_keys=True).encode()
        needs = described.get("depends_on", {})
        return self.own_labels() | {
            f"{LABEL}.service": service,
            f"{LABEL}.container-number": "1",
            f"{LABEL}.oneoff": "False",
            f"{LABEL}.config-hash": hashlib.sha256(said).hexdigest(),
            f"{LABEL}.depends_on": ",".join(
                f"{name}:{how['condition']}:false" for name, how in needs.items()
            ),
            f"{LABEL}.project.working_dir": str(self.path.parent),
            f"{LABEL}.project.config_files": str(self.path),
        }

    def own_labels(self) -> dict[str, str]:
        """The labels of everything in the project."""
        return {f"{LABEL}.project": self.project}


def read_env(path: Path) -> dict[str, str]:
    """The variables of an env file; comments and empty lines are none."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def nanoseconds(duration: str) -> int:
    """A Compose duration such as 2s or 500ms."""
    number = duration.rstrip("msh")
    return int(float(number) * UNITS[duration[len(number) :]])
