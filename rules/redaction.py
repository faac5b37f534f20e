"""The one redactor: what it lets through may stand in the ledger, in Prefect and in a message to people.

It takes out credentials (AWS, GitHub, Slack and others, private keys, passwords, API keys) and personal data
(e-mail addresses, phone and social security numbers, payment cards), and leaves what a recovery is recognised
by: commits, code hashes, ARNs, UUIDs, versions, timestamps. Names of people in free text are beyond it.

Runbook source: 000 «Credentials exposed in artifacts», «PII in artifacts».

How it stays fast enough for every log line: a rule runs only where one of its needles is in the text at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

from rules.redaction_pairs import hide_pairs, is_secret_name
from rules.redaction_shapes import hide_numbers, is_random
from rules.secret_patterns import EMAIL, LONG_RUN, SHAPES

T = TypeVar("T")

DEEPEST = 60
"""Levels of nesting that are kept; what lies deeper is cut, so that a cycle ends."""


def redact(value: T) -> T:
    """The value without secrets and personal data; never raises, and redacting twice changes nothing.

    Text is searched. In mappings, a key that names a secret (`password`, `api_key`, …) hides its whole value.
    What was taken out is named in its place, e.g. `[redacted:github-token]`.
    """
    hidden: T = _redacted(value, 0)
    return hidden


def _redacted(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        text = _text(value)
        return value if text == value else text  # keeps the members of a StrEnum what they are
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return (
            hide_numbers(str(value))
            if abs(value) > 10**12 and hide_numbers(str(value)) != str(value)
            else value
        )
    if depth >= DEEPEST:
        return "[redacted:too-deep]"
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        kept = (_redacted(each, depth + 1) for each in value)
        if isinstance(value, tuple) and hasattr(value, "_make"):
            return value._make(kept)
        return type(value)(kept) if type(value) in (list, tuple, set, frozenset) else list(kept)
    if isinstance(value, bytes):
        return _text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if hasattr(value, "get_secret_value"):
        return "[redacted:secret]"
    return value


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
    told: dict[Any, Any] = {}
    for key, each in value.items():
        name = _redacted(key, depth + 1) if isinstance(key, str | int) else key
        number = 2
        while name in told:  # two addresses as keys must not become one entry
            name, number = f"{_redacted(key, depth + 1)}#{number}", number + 1
        if isinstance(key, str) and is_secret_name(key) and not _is_reference(each):
            told[name] = _hidden(each, depth + 1)
        else:
            told[name] = _redacted(each, depth + 1)
    return told


def _hidden(value: Any, depth: int) -> Any:
    """Every leaf under a secret's name, hidden."""
    if value is None or isinstance(value, bool) or value in ("", b""):
        return value
    if isinstance(value, Mapping) and depth < DEEPEST:
        return {
            _redacted(key, depth) if isinstance(key, str) else key: _hidden(v, depth + 1)
            for key, v in value.items()
        }
    if isinstance(value, list | tuple) and depth < DEEPEST:
        return [_hidden(each, depth + 1) for each in value]
    if (
        isinstance(value, str)
        and value.startswith("[redacted:")
        and value.endswith("]")
        and value.count("[") == 1
    ):
        return value
    return "[redacted:secret]"


def _is_reference(value: Any) -> bool:
    """A SecretReference says where a secret is, not what it is."""
    return isinstance(value, Mapping) and {"source", "name"} <= set(value) <= {"source", "name", "field"}


def _text(text: str) -> str:
    if len(text) < 5:
        return text
    for _ in range(5):  # taking something out may free what stood beside it
        hidden = _once(text)
        if hidden == text:
            break
        text = hidden
    return text


def _once(text: str) -> str:
    lowered = text.lower() if text.isascii() else text.replace("\u0130", "I").lower()  # keeps every position
    original = text
    for shape in SHAPES:
        for needle in shape.needles:
            if needle in lowered:
                text = shape.pattern.sub(partial(_named, f"[redacted:{shape.name}]"), text)
                break
    text = hide_pairs(
        text, lowered if text is original or text == original else text.replace("\u0130", "I").lower()
    )
    if "@" in text:
        text = EMAIL.sub("[redacted:email]", text)
    if len(text) >= 40:
        text = LONG_RUN.sub(_aws_secret, text)
    return hide_numbers(text)


def _named(told: str, found: re.Match[str]) -> str:
    """The match, with what was taken out of it named in its place."""
    if "secret" not in found.re.groupindex:
        return told
    whole, start = found.group(), found.start()
    return whole[: found.start("secret") - start] + told + whole[found.end("secret") - start :]


def _aws_secret(run: re.Match[str]) -> str:
    return "[redacted:aws-secret-key]" if is_random(run.group()) else run.group()
