"""Reading our YAML files strictly: one clear error with a hint, and never half a file."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rules.errors import RecoveryRefused
from rules.redaction import redact
from rules.redaction_pairs import is_secret_name

_REFERENCE = "Say where it is kept: {source: environment, name: THE_VARIABLE}."


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice: YAML would take the last one and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"`{key.value}` is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        RecoveryRefused: it cannot be read, is not YAML, or is no mapping.
    """
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RecoveryRefused(f"{path} cannot be read: {reason}.", hint="Check the path.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise RecoveryRefused(
            f"{path}{where} is not proper YAML: {problem}.",
            hint="Check the indentation and the quotes there.",
        ) from error
    if not isinstance(found, dict):
        raise RecoveryRefused(
            f"{path} must hold a mapping of keys and values.", hint="Its first line is `key: value`."
        )
    return found


def refuse_secrets(path: Path, data: Any, where: str = "") -> None:
    """Refuse a file that holds a secret itself instead of saying where it is kept.

    Raises:
        RecoveryRefused: names the key, never the value.
    """
    if isinstance(data, Mapping):
        for key, value in data.items():
            here = f"{where}.{key}" if where else str(key)
            if isinstance(value, str) and value and is_secret_name(str(key)):
                raise _secret(path, here)
            refuse_secrets(path, value, here)
    elif isinstance(data, list):
        for number, value in enumerate(data):
            refuse_secrets(path, value, f"{where}[{number}]")
    elif isinstance(data, str) and redact(data) != data:
        raise _secret(path, where)


def _secret(path: Path, where: str) -> RecoveryRefused:
    return RecoveryRefused(
        f"{path} holds a secret at `{where}`.",
        hint=f"{_REFERENCE} Then change the secret: it was in a file.",
    )


def first_fault(
    path: Path, error: ValidationError, known: Collection[str], kinds: Collection[str] = ()
) -> RecoveryRefused:
    """The first thing wrong with a file's content, with the nearest of the `known` keys for a misspelt one.

    `kinds`: what pydantic puts into the place of a fault although no key is called so.
    """
    faults = error.errors(include_url=False, include_input=False)
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    steps = [str(step) for step in fault["loc"] if step not in kinds]
    where = ".".join(steps)
    if fault["type"] == "extra_forbidden":
        return unknown_key(path, steps[-1], known, where)
    if "SecretReference" in fault["msg"]:
        return RecoveryRefused(f"{path} does not say where the secret `{where}` is kept.", hint=_REFERENCE)
    what, _, hint = fault["msg"].removeprefix("Value error, ").partition(". ")
    at = f" at `{where}`" if where else ""
    more = f" ({len(faults) - 1} more after it)" if len(faults) > 1 else ""
    return RecoveryRefused(
        f"{path} is wrong{at}: {what[:1].lower()}{what[1:].rstrip('.')}{more}.",
        hint=hint or "The examples in deployments/environments and prefect.yaml show every key.",
    )


def unknown_key(path: Path, key: str, known: Collection[str], where: str = "") -> RecoveryRefused:
    """The error for a key that means nothing, with the nearest one that does."""
    return RecoveryRefused(
        f"{path} has the unknown key `{where or key}`.", hint=did_you_mean(key, known) or "Remove it."
    )


def did_you_mean(word: str, known: Collection[str]) -> str:
    """«Did you mean …?», or what is known at all; empty when nothing is."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"Did you mean `{near[0]}`?"
    return f"Known: {', '.join(sorted(known))}." if 0 < len(known) <= 40 else ""
