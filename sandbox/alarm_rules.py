"""The rule language of composite alarms, as far as CloudWatch defines it: states, AND, OR, NOT, TRUE, FALSE."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(
    r'\s*(?:(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*"?([^"()]+?)"?\s*\)|(AND|OR|NOT|TRUE|FALSE)\b|([()]))'
)

Token = tuple[str, str]


def is_true(rule: str, states: Mapping[str, str]) -> bool:
    """Whether the rule holds. An alarm that `states` does not know has no data.

    Raises:
        ValueError: it is not a rule.
    """
    tokens = _tokens(rule)
    answer, rest = _any(tokens, states)
    if rest:
        raise ValueError(f"not understood: {rest[0]}")
    return answer


def _tokens(rule: str) -> list[Token]:
    found: list[Token] = []
    at, rule = 0, rule.strip()
    while at < len(rule):
        match = _TOKEN.match(rule, at)
        if not match:
            raise ValueError(f"not understood: {rule[at:]!r}")
        state, alarm, word, bracket = match.groups()
        found.append((state, alarm) if state else (word or bracket, ""))
        at = match.end()
    return found


def _any(tokens: list[Token], states: Mapping[str, str]) -> tuple[bool, list[Token]]:
    answer, rest = _all(tokens, states)
    while rest and rest[0][0] == "OR":
        other, rest = _all(rest[1:], states)
        answer = answer or other
    return answer, rest


def _all(tokens: list[Token], states: Mapping[str, str]) -> tuple[bool, list[Token]]:
    answer, rest = _one(tokens, states)
    while rest and rest[0][0] == "AND":
        other, rest = _one(rest[1:], states)
        answer = answer and other
    return answer, rest


def _one(tokens: list[Token], states: Mapping[str, str]) -> tuple[bool, list[Token]]:
    if not tokens:
        raise ValueError("the rule ends too early")
    (word, alarm), rest = tokens[0], tokens[1:]
    if alarm:
        return states.get(alarm, "INSUFFICIENT_DATA") == word, rest
    if word in {"TRUE", "FALSE"}:
        return word == "TRUE", rest
    if word == "NOT":
        answer, rest = _one(rest, states)
        return not answer, rest
    if word == "(":
        answer, rest = _any(rest, states)
        if not rest or rest[0][0] != ")":
            raise ValueError("a bracket is not closed")
        return answer, rest[1:]
    raise ValueError(f"not understood: {word}")
