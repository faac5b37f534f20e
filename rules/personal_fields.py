"""Personal data that only its field's name gives away: `"customer_name": "…"`, `diagnosis: …`, `<td>DOB</td>…`.

A person's name, an address or an illness in free text has neither a shape nor a name beside it: that is beyond a
scan, and its report says so.

Runbook source: 000 «PII in artifacts».
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rules.redaction_pairs import QUOTE

_FIELDS = {
    "name": """first-name given-name fore-name middle-name last-name family-name sur-name maiden-name full-name
        customer-name client-name patient-name contact-name person-name employee-name guest-name passenger-name
        subscriber-name recipient-name sender-name payee-name beneficiary-name card-holder card-holder-name
        account-holder account-holder-name name-on-card legal-name next-of-kin emergency-contact""",
    "birth-date": "date-of-birth birth-date birth-day dob",
    "address": """street-address home-address postal-address mailing-address billing-address shipping-address
        address-line-1 address-line1 address-line-2 address-line2 street-name""",
    "phone": """phone phone-number mobile mobile-number mobile-phone cell-phone telephone home-phone work-phone
        fax-number""",
    "identity-number": """ssn social-security social-security-number passport passport-number passport-no tax-id
        driver-license drivers-license driving-licence driver-license-number national-id national-insurance-number""",
    "bank-account": "iban bank-account bank-account-number account-number routing-number sort-code",
    "card": "credit-card credit-card-number card-number cvv cvc pan-number",
    "health": """diagnosis diagnoses icd icd-10 icd-code icd-10-code medication medications prescription
        prescriptions allergies blood-type blood-group medical-record medical-record-number mrn patient-id
        medical-history health-condition symptoms hiv-status disability insurance-member-id health-plan-id""",
}
_KINDS = {field.replace("-", ""): kind for kind, fields in _FIELDS.items() for field in fields.split()}
_LONGEST = max(map(len, _KINDS))

_SPELLINGS = sorted({field.replace("-", "[_ -]?") for fields in _FIELDS.values() for field in fields.split()})
FIELD_ANCHOR = (
    "(?i)(?:" + "|".join(_SPELLINGS) + rf")[*`]{{0,2}}(?:(?:{QUOTE})?\s{{0,3}}[:=]|\s{{0,3}}\||</t[dh]>|>)"
)
"""Where a look is worth it."""

_KEYED = re.compile(
    rf"(?P<key>[A-Za-z](?<![A-Za-z0-9_-]{{2}})[A-Za-z0-9_-]{{1,50}}(?:[ ][A-Za-z0-9]{{1,12}}){{0,3}})[*`]{{0,2}}"
    rf"(?:(?:{QUOTE})?\s{{0,3}}(?P<sign>[:=])[*`]{{0,2}}\s{{0,3}}(?!\[redacted:)\[?(?P<quote>{QUOTE})?"
    r"|\s{0,3}(?P<cell>\|)\s{0,3}|(?P<tag></t[dh]>\s{0,9}<td[^<>]{0,99}>|>))"
)
_BARE = re.compile(r"(?:[^,;|<>{}\[\]\"'\r\n&\\.]|\.(?! )){1,80}")
_CELL = re.compile(r"[^|<>\r\n]{1,200}")
_EMPTY = re.compile(
    r"(?i)\s*(?:(?:none|null|true|false|nil|undefined|n/?a|unknown|str|string|int|integer|text|varchar|optional)\b.{0,3}"
    r"|[-*.x?_ 0]*|\[redacted:.*|\$?[{<].*)$"
)


def find_fields(text: str) -> Iterator[tuple[int, int, str]]:
    """Where the values of personal fields begin and end, and what they are; in order."""
    for key in _KEYED.finditer(text):
        kind = _kind(key["key"])
        span = _value(text, key) if kind else None
        value = text[slice(*span)] if span else ""
        if kind and span and not _EMPTY.match(value) and _fits(kind, value):
            yield *span, kind


def _kind(key: str) -> str | None:
    """The kind whose field the key ends in: `primaryPatientName` is a `patient-name`."""
    plain = re.sub(r"[_ -]", "", key).lower()
    for start in range(max(0, len(plain) - _LONGEST), len(plain)):
        kind = _KINDS.get(plain[start:])
        if kind and (start == 0 or len(plain) - start >= 5 or _starts_a_word(key, len(plain) - start)):
            return kind
    return None


def _starts_a_word(key: str, length: int) -> bool:
    """Whether a short field (`dob`, `ssn`) is a word of its own in the key, not the end of another."""
    return not key[-length - 1].isalnum() or key[-length].isupper()


def _value(text: str, key: re.Match[str]) -> tuple[int, int] | None:
    begin = key.end()
    if quote := key["quote"]:
        end = text.find(quote, begin)
        return (begin, end if end >= 0 else len(text)) if end != begin else None
    value = (_BARE if key["sign"] else _CELL).match(text, begin)
    if value is None:
        return None
    told = value.group().rstrip(" `*")
    lead = len(told) - len(told.lstrip(" `*"))
    return (begin + lead, begin + len(told)) if len(told) > lead else None


def _fits(kind: str, value: str) -> bool:
    digits = sum(character.isdigit() for character in value)
    if kind in {"phone", "card", "bank-account"}:
        return digits >= 3 and len(value) <= 40
    if kind in {"identity-number", "birth-date"}:
        return digits >= 2 and len(value) <= 40
    return len(value.strip()) >= 2
