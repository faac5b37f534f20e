"""`prefect.yaml`, read strictly. Prefect itself accepts a misspelt key and ignores what it was to say."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, field_validator

from deployments.schedule_entries import EachSchedule, Schedule
from deployments.yaml_files import first_fault, read_mapping, refuse_secrets
from rules.errors import RecoveryRefused
from rules.stuck_runs import OURS_TAG
from rules.values import Frozen

OURS = OURS_TAG
"""Only deployments with this tag are changed or removed."""

FILE = Path("prefect.yaml")

_VARIABLE = re.compile(r"\{\{\s*\$(\w+)\s*\}\}")


class WorkPool(Frozen):
    """The work pool of a deployment, for `prefect deploy` and for more than one machine."""

    name: str
    work_queue_name: str | None = None
    job_variables: dict[str, Any] = {}

    @property
    def chosen(self) -> str | None:
        """Its name with environment variables put in; None when the variable is not set."""
        name = _VARIABLE.sub(lambda found: os.environ.get(found.group(1), ""), self.name).strip()
        return name or None


class Concurrency(Frozen):
    """How many runs of a deployment may go at the same time; a further one waits, or is cancelled at once."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] = "ENQUEUE"


class Entry(Frozen):
    """One deployment. Without a description it has the flow's docstring."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,60}$")]
    entrypoint: Annotated[str, StringConstraints(pattern=r"^[a-z_]\w*(\.\w+)+$")]
    description: str = ""
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any] = {}
    schedules: tuple[Schedule, ...] = ()
    schedule_each: tuple[EachSchedule, ...] = ()
    concurrency_limit: Concurrency | None = None
    work_pool: WorkPool | None = None
    pull: tuple[dict[str, Any], ...] | None = None

    @field_validator("tags")
    @classmethod
    def _are_ours(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        if OURS not in tags:
            raise ValueError(f"every deployment here needs the tag `{OURS}`, which marks it as ours")
        return tags

    @field_validator("schedules")
    @classmethod
    def _have_slugs_of_their_own(cls, schedules: tuple[Schedule, ...]) -> tuple[Schedule, ...]:
        if len({one.slug for one in schedules}) != len(schedules):
            raise ValueError("two schedules of a deployment have the same slug")
        return schedules


class PrefectFile(Frozen):
    """The file. `definitions` holds YAML anchors and means nothing by itself."""

    name: str = ""
    prefect_version: str = Field(default="", alias="prefect-version")
    definitions: Any = None
    deployments: tuple[Entry, ...]

    @field_validator("deployments")
    @classmethod
    def _have_names_of_their_own(cls, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        names = [entry.name for entry in entries]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two deployments are called {', '.join(twice)}")
        return entries


def read_prefect_yaml(path: Path = FILE) -> PrefectFile:
    """The deployments of `prefect.yaml`.

    Raises:
        RecoveryRefused: it cannot be read, or has a key or value that is not understood; says which.
    """
    data = read_mapping(path)
    refuse_secrets(path, data)
    try:
        return PrefectFile.model_validate(data)
    except ValidationError as error:
        raise first_fault(path, error, _KEYS) from error


def refuse_unknown_parameters(path: Path, entry: Entry, known: set[str]) -> None:
    """Refuse parameters that the flow does not have; Prefect would keep them until a run crashes.

    Raises:
        RecoveryRefused: names them.
    """
    given = [set(entry.parameters), *(set(one.parameters) for one in entry.schedules)]
    given += [{"environment", *each.parameters} for each in entry.schedule_each]
    if unknown := sorted(set().union(*given) - known):
        raise RecoveryRefused(
            f"{path}: the deployment `{entry.name}` gives its flow the unknown parameter `{unknown[0]}`.",
            hint=f"The flow has: {', '.join(sorted(known))}.",
        )


_KEYS = frozenset(
    name
    for model in (PrefectFile, Entry, Schedule, EachSchedule, Concurrency, WorkPool)
    for name in (field.alias or name for name, field in model.model_fields.items())
)
