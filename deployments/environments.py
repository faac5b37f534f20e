"""The environment files: one YAML file an environment, no secrets in them, read strictly.

`deployments/environments/prod.yaml` is the documented example. BACKSTOP_ENVIRONMENTS names another folder.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blocks.settings import settings
from deployments.yaml_files import did_you_mean, first_fault, read_mapping, refuse_secrets
from rules.errors import RecoveryRefused

if TYPE_CHECKING:
    from blocks.environment import Environment

_NAME = re.compile(r"[a-z][a-z0-9-]{1,30}")


def load_environment(name: str, directory: Path | None = None) -> Environment:
    """The environment of that name.

    Raises:
        RecoveryRefused: there is no such environment, or its file is wrong; says what and where.
    """
    folder = directory or settings().environments
    if not _NAME.fullmatch(name):
        raise RecoveryRefused(
            f"`{name[:60]}` cannot be an environment's name.",
            hint="Lower case letters, digits and hyphens, such as prod.",
        )
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = environment_names(folder)
        raise RecoveryRefused(
            f"There is no environment `{name}` in {folder}.",
            hint=did_you_mean(name, known) or "Write its file there, or set BACKSTOP_ENVIRONMENTS.",
        )
    return _read(path)


def load_all(directory: Path | None = None) -> list[Environment]:
    """Every environment of the folder, by name.

    Raises:
        RecoveryRefused: one of them is wrong, or there is none.
    """
    folder = directory or settings().environments
    names = environment_names(folder)
    if not names:
        raise RecoveryRefused(
            f"There is no environment file in {folder}.",
            hint="Set BACKSTOP_ENVIRONMENTS to the folder that holds them.",
        )
    return [load_environment(name, folder) for name in names]


def environment_names(directory: Path | None = None) -> list[str]:
    """The names of the environments that have a file, sorted; their content is not looked at."""
    folder = directory or settings().environments
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _read(path: Path) -> Environment:
    from pydantic import ValidationError

    from blocks.environment import Environment
    from blocks.platforms import KINDS

    data = read_mapping(path)
    refuse_secrets(path, data)
    try:
        environment = Environment.model_validate(data)
    except ValidationError as error:
        raise first_fault(path, error, _known_keys(), KINDS) from error
    if environment.name != path.stem:
        raise RecoveryRefused(
            f"{path} describes the environment `{environment.name}`.",
            hint=f"Name the file {environment.name}.yaml, or the environment {path.stem}.",
        )
    return environment


@cache
def _known_keys() -> frozenset[str]:
    """Every key an environment file can have, at any depth."""
    from blocks.environment import Environment

    def keys(schema: Any) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(keys, schema))
        if not isinstance(schema, dict):
            return set()
        own = set(schema.get("properties", {}))
        return own.union(*map(keys, schema.values()))

    return frozenset(keys(Environment.model_json_schema()))
