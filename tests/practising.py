"""What a practice of the sandbox asks a scenario for, and an independent look at the world it is about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox import damaged_data, kit_reading, reading
from sandbox.practice import Practice
from sandbox.stack import reading as stack_reading
from sandbox.stack_organ import MASKING
from sandbox.test_kit.place import QA

if TYPE_CHECKING:
    from sandbox.world import Sandbox

UNSTEADY = ("alarms", "queues")
"""What changes by itself: alarms have their own pace, and a test run that goes wrong goes on publishing."""
ANSWERS = {"healthy": False, "answering_release": ""}
"""Nor does a function answer each time in the same time."""


def given(sandbox: Sandbox, practice: Practice) -> dict[str, str]:
    """The practice's parameters, with this sandbox's releases and folders. Its faults must have been started."""
    told = {
        "good": sandbox.release(2),
        "home": sandbox.home.path,
        "damaged": damaged_data.since(sandbox),
    }
    return {name: value.format(**told) for name, value in practice.parameters.items()}


def seen(sandbox: Sandbox, environment: str, without: Collection[str] = ()) -> dict[str, Any]:
    """Everything of an environment that a recovery may touch, but for what is named."""
    home = sandbox.home
    found: Any
    if environment == MASKING:
        found = stack_reading.read(sandbox.stack)
    else:
        found = kit_reading.read(home) if environment == QA else reading.read(home, environment)
    return {name: getattr(found, name) for name in found.__slots__ if name not in without}


def standing(sandbox: Sandbox, environment: str) -> dict[str, Any]:
    """What of it only changes when somebody changes it: before and after a rehearsal it is the same."""
    found = seen(sandbox, environment, without=UNSTEADY)
    functions = {name: replace(each, **ANSWERS) for name, each in found.get("functions", {}).items()}
    return found | {"functions": functions}
