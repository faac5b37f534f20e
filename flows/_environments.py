"""Environments by their names: as their blocks on the server say, or where there is none, as their files say."""

from __future__ import annotations

import yaml
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from blocks.environment import Environment
from blocks.settings import settings
from flows._prefect_server import prefect_server
from rules.errors import RecoveryRefused


def environment_named(name: str) -> Environment:
    """The environment of that name.

    Raises:
        RecoveryRefused: there is neither a block nor a file, or the file is wrong.
    """
    with prefect_server() as client:
        if client is not None:
            try:
                found = Environment.load(name)
            except ValueError:
                pass  # there is no such block
            else:
                if isinstance(found, Environment):
                    return found
    path = settings().environments / f"{name}.yaml"
    try:
        return Environment.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, ValidationError, yaml.YAMLError) as error:
        raise RecoveryRefused(
            f"The environment {name} is neither a block nor a file in {path.parent}.",
            hint="Register it, or set BACKSTOP_ENVIRONMENTS.",
        ) from error


def known_environments() -> list[Environment]:
    """Every environment that has a block on the server, or where there is no server, a file.

    Raises:
        RecoveryRefused: one of them is wrong.
    """
    with prefect_server() as client:
        if client is not None:
            try:
                blocks = client.read_block_documents_by_type(Environment.get_block_type_slug(), limit=200)
            except ObjectNotFound:
                blocks = []
            names = [block.name for block in blocks if block.name]
        else:
            names = [path.stem for path in settings().environments.glob("*.yaml")]
    return [environment_named(name) for name in sorted(names)]
