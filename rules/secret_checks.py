"""The second look at what has the shape of a secret: does its checksum or its structure agree?

It never decides that something is no secret, only how sure we are: an example in a document is taken out too.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import string
import zlib
from enum import StrEnum

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECKED_TOKEN = re.compile(r"(?:gh[pousr]|npm)_([A-Za-z0-9]{30})([A-Za-z0-9]{6})")
_KEY_ID = re.compile(r"[A-Z]{4}[A-Z2-7]{16}")
_PEM_BODY = re.compile(r"-----BEGIN [A-Z0-9 ]*-----(.*?)(?:-----END|\Z)", re.DOTALL)


class Proof(StrEnum):
    """How sure a finding is."""

    CHECKSUM = "its checksum is right"
    STRUCTURE = "its structure is right"
    SHAPE = "it has the shape"
    NAME = "its name stands beside it"
    DOUBTFUL = "its checksum or structure is wrong"


def prove(kind: str, secret: str) -> Proof:
    """What a closer look at a secret of this kind says."""
    match kind:
        case "card" | "iban":
            return Proof.CHECKSUM  # they are not recognised without it
        case "github-token" | "npm-token":
            return _checked_token(secret)
        case "aws-key-id":
            return Proof.STRUCTURE if _KEY_ID.fullmatch(secret) else Proof.DOUBTFUL
        case "jwt":
            return Proof.STRUCTURE if _is_jose_header(secret.partition(".")[0]) else Proof.DOUBTFUL
        case "private-key":
            return Proof.STRUCTURE if _is_key_file(secret) else Proof.DOUBTFUL
        case "ssn":
            return Proof.STRUCTURE
        case _:
            return Proof.SHAPE


def _checked_token(token: str) -> Proof:
    """GitHub's and npm's tokens end in the CRC-32 of their random part, in base 62."""
    found = _CHECKED_TOKEN.fullmatch(token)
    if found is None:
        return Proof.SHAPE if token.startswith("github_pat_") else Proof.DOUBTFUL
    number = 0
    for digit in found[2]:
        number = number * 62 + _BASE62.index(digit)
    return Proof.CHECKSUM if number == zlib.crc32(found[1].encode()) else Proof.DOUBTFUL


def _is_jose_header(part: str) -> bool:
    try:
        header = json.loads(_decoded(part))
    except ValueError:
        return False
    return isinstance(header, dict) and bool({"alg", "enc", "typ"} & set(header))


def _is_key_file(block: str) -> bool:
    found = _PEM_BODY.search(block)
    lines = re.split(r"\s+|\\n|\\r", found[1]) if found else []
    body = "".join(line for line in lines if re.fullmatch(r"[A-Za-z0-9+/=]+", line))
    try:
        content = _decoded(body)
    except ValueError:
        return False
    return len(content) > 30 and (
        content[:1] == b"0" or content.startswith(b"openssh-key-v1") or "PGP" in block
    )


def _decoded(text: str) -> bytes:
    """Base64 in either alphabet, with or without its padding.

    Raises:
        ValueError: it is none.
    """
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
