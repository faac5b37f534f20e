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


_ACCOUNTS = """15:NO 16:BE 18:DK,FI,FO,GL,NL,SD 19:MK,SI 20:AT,BA,EE,KZ,LT,LU,MN,XK 21:CH,HR,LI,LV
    22:BG,BH,CR,DE,GB,GE,IE,ME,RS,VA 23:AE,GI,IL,IQ,OM,SO,TL 24:AD,CZ,ES,MD,PK,RO,SA,SE,SK,TN,VG 25:LY,PT,ST
    26:IS,TR 27:BI,DJ,FR,GR,IT,MC,MR,SM 28:AL,AZ,BY,CY,DO,GT,HN,HU,LB,NI,PL,SV 29:BR,EG,PS,QA,UA
    30:JO,KW,MU,YE 31:MT,SC 32:LC 33:RU"""
_ACCOUNT_LENGTHS = {
    country: int(length)
    for length, _, countries in (row.partition(":") for row in _ACCOUNTS.split())
    for country in countries.split(",")
}
"""How long a country's account numbers are (ISO 13616 registry)."""

_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)\b")


_IDENTITY = re.compile(
    r"""(?i)(?:span|trace|request|message|correlation|event|parent|transaction)[_-]?id["']?\s{0,2}[:=]\s{0,2}["']?$"""
)
"""Identities in hexadecimal may happen to have decimal digits only."""


def hide_numbers(text: str) -> str:
    """Take out payment cards, bank accounts, social security numbers and phone numbers."""
    told, done = [], 0
    for begin, end, name in find_numbers(text):
        told += [text[done:begin], f"[redacted:{name}]"]
        done = end
    return "".join([*told, text[done:]]) if told else text


def find_numbers(text: str) -> list[tuple[int, int, str]]:
    """Where such numbers begin and end, and what they are; in order."""
    found = [(*n.span(), name) for n in _NUMBER.finditer(text) if (name := _number_kind(n))]
    accounts = [(*n.span(), "iban") for n in _IBAN.finditer(text) if is_iban(n.group())]
    if accounts:  # their digits may look like another number
        inside = [a for a in found if any(start <= a[0] < end for start, end, _ in accounts)]
        return sorted([*accounts, *(a for a in found if a not in inside)])
    return found


def _number_kind(found: re.Match[str]) -> str | None:
    told = found.group()
    if found["card"] is not None:
        before = found.string[max(0, found.start() - 24) : found.start()]
        return "card" if is_card(re.sub(r"\D", "", told)) and not _IDENTITY.search(before) else None
    if found["ssn"] is not None:
        area, group, serial = told.split("-")
        return None if area in ("000", "666") or group == "00" or serial == "0000" else "ssn"
    return "phone"


def is_iban(account: str) -> bool:
    """Whether an IBAN has a country, that country's length and right check digits."""
    plain = account.replace(" ", "")
    if len(plain) != _ACCOUNT_LENGTHS.get(plain[:2]):
        return False
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


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
