"""Secrets that stand beside their name: `password=…`, `"api_key": "…"`, `X-API-Key: …`, `--token …`."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WHOLE_LINE = ("authorization", "cookie")
"""Headers whose value goes on to the end of the line."""

_STRONG = (
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "api-key",
    "api_key",
    "apikey",
    "secret-key",
    "secret_key",
    "secretkey",
    "access-key",
    "access_key",
    "accesskey",
    "private-key",
    "private_key",
    "privatekey",
    "x-amz-signature",
    "x-amz-credential",
)
"""Names after which any value is a secret."""

_WEAK = ("secret", "token", "credential", "credentials")
"""Names after which prose may follow: there, only a value that does not look like a word is a secret."""

NAMES = (*_WHOLE_LINE, *_STRONG, *_WEAK)

# A needle is enough to look closer; no name may lack one.
NEEDLES = (
    "authorization",
    "cookie",
    "passw",
    "passphrase",
    "pwd",
    "key",
    "x-amz-",
    "secret",
    "token",
    "credential",
)

_HARMLESS = re.compile(r"(?i:none|null|true|false|nil|undefined)$|\*+$|arn:aws")
_PLACEHOLDER = re.compile(r"""(?:\$[A-Z_][A-Z0-9_]*|\$\{[A-Z_][A-Z0-9_]*\}|<[A-Z_ ]+>)(?=[\s"',;&)]|$)""")
QUOTE = r"""\\{0,7}["']|&(?:quot|apos|\#34|\#39|\#x22|\#x27);|\\u0022"""
"""As JSON, JSON inside JSON and HTML write it."""
_SEPARATED = re.compile(rf"""({QUOTE})?\]?(\s{{0,3}})(=>?|:)\s{{0,3}}({QUOTE})?""")
_CELL = re.compile(r"""[`*\s]{0,3}(?:\||</t[dh]>\s{0,9}<td[^<>]{0,99}>|>)[`*\s]{0,3}(?=[^\s|<>`*-])""")
"""The next cell of a Markdown or an HTML table, or an XML element."""
_CELL_END = re.compile(r"[`*]{0,3}\s{0,9}(?:\||</|[\r\n]|$)")
_BARE = re.compile(r"""[^\s,;&"'<>(){}\\|]+""")
_OPTION = re.compile(r"""\s+(["'])?(?!-)""")
_SECRET_NAME = re.compile(
    r"(?:^|[^a-z])(?:"
    + "|".join(re.escape(n) for n in (*_WHOLE_LINE, *_STRONG, *_WEAK))
    + r")$|password$|passwd$|apikey$"
)
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_HARMLESS_NAMES = re.compile(
    r"(?:^|[^a-z])(?:next|page|continuation|fencing|client[-_]request|idempotency)[-_]?token$"
)


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret: `dbPassword`, `X-API-Key`, `SecretAccessKey`, `token`."""
    lowered = _CAPITAL.sub("_", name).lower()
    return bool(_SECRET_NAME.search(lowered)) and not _HARMLESS_NAMES.search(lowered)


def hide_pairs(text: str, lowered: str) -> str:
    """Take out every value that stands beside a secret's name. `lowered` is the text in lower case."""
    told, done = [], 0
    for begin, end, label in find_pairs(text, lowered):
        told += [text[done:begin], f"[redacted:{label}]"]
        done = end
    return "".join([*told, text[done:]]) if told else text


def find_pairs(text: str, lowered: str) -> Iterator[tuple[int, int, str]]:
    """Where the values begin and end that stand beside a secret's name, and what they are; in order."""
    if not any(needle in lowered for needle in NEEDLES):
        return
    done = 0
    for start, name in sorted(_places(lowered)):
        found = _value_after(text, start, name) if start >= done else None
        if found:
            done = found[1]
            yield *found, _label(name)


def _places(lowered: str) -> list[tuple[int, str]]:
    places = []
    for name in NAMES:
        at = lowered.find(name)
        while at >= 0:
            places.append((at, name))
            at = lowered.find(name, at + 1)
    return places


def _value_after(text: str, start: int, name: str) -> tuple[int, int] | None:
    """Where the secret begins and ends whose name begins at `start`, if there is one."""
    after = start + len(name)
    if name == "token" and _HARMLESS_NAMES.search(
        _CAPITAL.sub("_", text[max(0, start - 30) : after]).lower()
    ):
        return None
    separated = _SEPARATED.match(text, after)
    if separated is None:
        return _option_value(text, start, after) or _cell_value(text, after, name)
    quote = separated.group(4)
    begin = separated.end()
    if text.startswith("[redacted:", begin) or _PLACEHOLDER.match(text, begin):
        return None
    if quote:
        end = _closing(text, begin, quote)
    elif name in _WHOLE_LINE:
        end = _line_end(text, begin)
    else:
        bare = _BARE.match(text, begin)
        end = bare.end() if bare else begin
    value = text[begin:end]
    if not value or _HARMLESS.match(value):
        return None
    prose = separated.group(3) == ":" and not separated.group(1) and not quote
    if prose and (_is_a_path(text, start) or (name in _WEAK and not _is_odd(value))):
        return None
    return begin, end


def _option_value(text: str, start: int, after: int) -> tuple[int, int] | None:
    """`--db-password hunter2`: an option's value stands after a space."""
    word = max(text.rfind(" ", max(0, start - 60), start), text.rfind("\n", max(0, start - 60), start)) + 1
    option = _OPTION.match(text, after) if text.startswith("--", word) else None
    if (
        option is None
        or text.startswith("[redacted:", option.end())
        or _PLACEHOLDER.match(text, option.end())
    ):
        return None
    begin = option.end()
    if option.group(1):
        end = _closing(text, begin, option.group(1))
    else:
        bare = _BARE.match(text, begin)
        end = bare.end() if bare else begin
    return (begin, end) if end > begin and not _HARMLESS.match(text[begin:end]) else None


def _cell_value(text: str, after: int, name: str) -> tuple[int, int] | None:
    """`| password | hunter2 |`: in a table the value is in the next cell."""
    cell = _CELL.match(text, after) if name in _STRONG else None
    if cell is None or text.startswith("[redacted:", cell.end()) or _PLACEHOLDER.match(text, cell.end()):
        return None
    end = _CELL_END.search(text, cell.end(), cell.end() + 2000)
    value = text[cell.end() : end.start()] if end else ""
    if not value or value.isalpha() or any(sign.isspace() for sign in value) or _HARMLESS.match(value):
        return None  # a neighbouring column, as in a table of tests: words
    return cell.end(), cell.end() + len(value)


def _closing(text: str, begin: int, quote: str) -> int:
    end = text.find(quote, begin)
    while end > begin and len(quote) == 1 and text[end - 1] == "\\":
        end = text.find(quote, end + 1)
    return end if end >= 0 else len(text)


def _line_end(text: str, begin: int) -> int:
    ends = [at for at in (text.find(sign, begin) for sign in "\r\n\"'") if at >= 0]
    return min(ends, default=len(text))


def _is_a_path(text: str, start: int) -> bool:
    """Whether the name is the end of a path or an ARN: the name of a secret is no secret."""
    before = text[max(0, start - 200) : start]
    word = re.search(r"[\w./:-]*$", before)
    return word is not None and ("/" in word.group() or word.group().endswith(":"))


def _is_odd(value: str) -> bool:
    """Whether no writer would use it as a word in a sentence."""
    return len(value) >= 8 and (any(c.isdigit() for c in value) or not (value.islower() or value.istitle()))


def _label(name: str) -> str:
    if name.startswith("pass") or name == "pwd":
        return "password"
    return "secret" if name.startswith("x-amz") else name.replace("_", "-")
