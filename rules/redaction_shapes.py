"""Secrets and personal data that have no name beside them: they are recognised by their shape."""

from __future__ import annotations

import re
from itertools import pairwise

_NUMBER = re.compile(
    # A digit, + or ( that starts something: not within a hash, an identifier, a version or a path.
    r"[0-9+(](?<![\w.+%-].)(?:"
    r"(?P<card>(?<=[2-6])(?:[0-9]{12,18}|[0-9]{3}(?P<gap>[ -])[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)[0-9]{4}"
    r"|[0-9]{3}(?P<short>[ -])[0-9]{6}(?P=short)[0-9]{4,5}))"
    r"|(?P<ssn>(?<=[0-8])[0-9]{2}-[0-9]{2}-[0-9]{4})"
    r"|(?P<phone>(?<=[0-9])(?:(?<=1)[-. ][2-9][0-9]{2}|(?<=[2-9])[0-9]{2})"
    r"(?P<dot>[-.])[2-9][0-9]{2}(?P=dot)[0-9]{4}"
    r"|(?<=\()[2-9][0-9]{2}\) ?[0-9]{3}[-. ][0-9]{4}"
    r"|(?<=\+)1[ .(-]{0,2}[2-9][0-9]{2}[ .)-]{0,2}[0-9]{3}[ .-]?[0-9]{4}"
    r"|(?<=\+)[1-9](?:[ .()-]{0,2}[0-9]){7,14})"
    r")(?![\w+]|[.-][0-9])"
)


def hide_numbers(text: str) -> str:
    """Take out payment cards, social security numbers and phone numbers."""
    return _NUMBER.sub(_number, text)


def _number(found: re.Match[str]) -> str:
    told = found.group()
    if found["card"] is not None:
        return "[redacted:card]" if is_card(re.sub(r"\D", "", told)) else told
    if found["ssn"] is not None:
        area, group, serial = told.split("-")
        return told if area in ("000", "666") or group == "00" or serial == "0000" else "[redacted:ssn]"
    return "[redacted:phone]"


def is_card(digits: str) -> bool:
    """Whether the digits carry an issuer's prefix, that issuer's length and a right check digit (Luhn)."""
    length, two, four = len(digits), int(digits[:2]), int(digits[:4])
    issued = (
        (digits[0] == "4" and length in (13, 16, 19))
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and length == 16)
        or (two in (34, 37) and length == 15)
        or (two in (30, 36, 38) and length == 14)
        or ((two == 65 or four == 6011 or 6440 <= four <= 6499 or 3528 <= four <= 3589) and length == 16)
    )
    if not issued:
        return False
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0


def is_random(run: str) -> bool:
    """Whether a run of 40 base64 characters looks drawn by chance, as an AWS secret key is, and not written.

    Chance changes between capitals, small letters and digits about 24 times in 40 (and misses the mark below
    once in 2,000 keys); names and paths about 12 times, and a commit in hexadecimal has one case only.
    """
    kinds = ["A" if c.isupper() else "a" if c.islower() else "0" if c.isdigit() else "/" for c in run]
    letters_only = not ("0" in kinds or "/" in kinds)
    if letters_only or kinds.count("A") < 3 or kinds.count("a") < 3 or kinds.count("/") > 6:
        return False
    return sum(before != after for before, after in pairwise(kinds)) >= 14
