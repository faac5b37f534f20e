"""Terraform states that could not be saved: what one says of itself, and whether it is newer than the saved one.

Terraform writes `errored.tfstate` beside its code when the backend refuses the state at the end of an apply. Nothing
else knows what that apply made. Terraform raises the serial when such a file is pushed, and refuses the same file
from then on; where nothing was saved it even begins a new line. So whether it is saved is told by its content.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum

from rules.values import Frozen


class StateVersion(Frozen):
    """Which state of which line it is. `content` is the SHA-256 of its resources and outputs."""

    lineage: str
    serial: int
    resources: int
    content: str

    def __str__(self) -> str:
        return f"serial {self.serial} with {self.resources} resources"


class Standing(StrEnum):
    """How an unsaved state stands to the saved one."""

    NEWER = "newer than the saved state"
    ALONE = "nothing is saved"
    SAVED = "saved already"
    OVERTAKEN = "somebody saved another state since"
    FOREIGN = "of another line of states"


PUSHED = frozenset({Standing.NEWER, Standing.ALONE})
"""Standings in which it is pushed. Where nothing is saved, the line of a given file cannot be compared: a person is
asked first. A file of our own lies beside the settings of the very backend that refused it."""


def read_state(text: str) -> StateVersion:
    """Which state a state file holds; ValueError when it holds none."""
    body = json.loads(text)
    try:
        lineage, serial, resources = body["lineage"], body["serial"], body["resources"]
    except (KeyError, TypeError) as error:
        raise ValueError("not a Terraform state") from error
    if not (isinstance(lineage, str) and lineage and isinstance(serial, int) and isinstance(resources, list)):
        raise ValueError("not a Terraform state")
    told = json.dumps([resources, body.get("outputs")], sort_keys=True)
    return StateVersion(
        lineage=lineage,
        serial=serial,
        resources=len(resources),
        content=hashlib.sha256(told.encode()).hexdigest(),
    )


def judge_unsaved(unsaved: StateVersion, saved: StateVersion | None) -> Standing:
    """Whether an unsaved state belongs in the place of the saved one; None: nothing is saved there."""
    if saved is None:
        return Standing.ALONE
    if unsaved.content == saved.content:
        return Standing.SAVED
    if unsaved.lineage != saved.lineage:
        return Standing.FOREIGN
    return Standing.NEWER if unsaved.serial > saved.serial else Standing.OVERTAKEN
