"""The shapes by which secrets are recognised: one table for the redactor and for the scanner of artifacts.

A shape has a **pattern** that says exactly where the secret is, **needles** without one of which the pattern
cannot match, and an **anchor**: a simpler expression that every match contains, or is cut short in by a line
end. Anchors are what a fast engine looks for; they are written in what Hyperscan and Python's `re` both know.

Runbook source: 000 «Credentials exposed in artifacts».
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Shape(NamedTuple):
    """How one kind of secret looks. The secret is the pattern's group `secret`, or else the whole match."""

    name: str
    needles: tuple[str, ...]
    """Lower case; the pattern can only match where one of them is."""
    pattern: re.Pattern[str]
    anchor: str
    breaks: bool = False
    """Whether it is one long word, which a line end may have cut in two."""


def _shape(name: str, needles: str, pattern: str, anchor: str, flags: int = 0) -> Shape:
    return Shape(name, tuple(needles.split()), re.compile(pattern, flags), anchor)


def _token(name: str, needles: str, prefix: str, body: str, least: int, before: str = "") -> Shape:
    """One word: a prefix that gives it away, then at least `least` characters of a class."""
    pattern = re.compile(f"{before}{prefix}{body}{{{least},}}")
    return Shape(name, tuple(needles.split()), pattern, f"{prefix}{body}{{{min(least, 5)}}}", breaks=True)


_ALNUM, _WORD, _HEX = "[A-Za-z0-9]", "[A-Za-z0-9_-]", "[a-f0-9]"
_START = r"(?<![A-Za-z0-9])"

_SERVICES = r"""
    1password:ops_eyJ:200 airtable:pat[A-Za-z0-9]{14}\.:60 alibaba:LTAI:12 brevo:xkeysib-:60 cloudflare:v1\.0-:150
    contentful:CFPAT-:40 doppler:dp\.(?:pt|ct|st|sa|scim|audit)\.:40 duffel:duffel_(?:test|live)_:40
    dynatrace:dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.:60 easypost:EZ[AT]K:50 figma:fig[dou]r?_:38 fly:fm[12]r?_:100
    fly:fo1_:40 flutterwave:FLWSECK_TEST-:12 frameio:fio-u-:60 heroku:HRKU-:36 netlify:nfp_:36
    octopus:API-[A-Z0-9]{25}:1
    openshift:sha256~:40 perplexity:pplx-:40 planetscale:pscale_(?:tkn|oauth|pw)_:32 prefect:pn[ub]_:36 pulumi:pul-:40
    readme:rdme_:60 replicate:r8_:37 scalingo:tk-us-:40 shippo:shippo_(?:live|test)_:40 sourcegraph:sgp_:40
    square:sq0(?:atp|csp)-:22 supabase:sbp_:40 tailscale:tskey-:20 typeform:tfp_:40 xai:xai-:70 yandex:AQVN:35
    gitlab:gl(?:dt|rt|ptt|ft|cbt|soat|agent|imt|oas|ffct)-:15 slack:xoxe\.xox[bp]-:40
"""
"""A service, the prefix of its tokens, how many characters (letters, digits, `_`, `-`, `.`) follow at least."""


def _services() -> Iterator[Shape]:
    for row in _SERVICES.split():
        service, rest = row.split(":", 1)
        prefix, _, least = rest.rpartition(":")
        anchor = f"{prefix}[A-Za-z0-9_.-]{{{min(int(least), 5)}}}"
        needle = re.match(r"[a-z0-9_~-]*", prefix.lower())
        pattern = re.compile(f"{_START}{prefix}[A-Za-z0-9_.-]{{{least},}}")
        yield Shape(f"{service}-token", (needle.group() if needle else "",), pattern, anchor, breaks=True)


SHAPES: tuple[Shape, ...] = (
    _shape(
        "private-key",
        "-----begin",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY",
        re.DOTALL,
    ),
    _shape(
        "password",
        "://",
        # The password of a URL; up to the last @ before the host, because people forget to escape theirs.
        r"://[^\s:/@\"'<>]{0,200}:(?P<secret>(?!\[redacted:)[^\s/\"'<>]{1,300})@",
        r"""://[^\s/"'<>]+@""",
    ),
    _shape(
        "token",
        "://",
        r"https?://(?P<secret>[^\s:/@\"'<>\[]{20,300})@",
        r"""://[^\s/"'<>]+@""",
        re.IGNORECASE,
    ),
    _token("aws-key-id", "akia asia abia acca", "(?:AKIA|ASIA|ABIA|ACCA)", "[A-Z0-9]", 16),
    _shape(
        "aws-token",
        "fwogzxivyxdz iqojb3jpz2lux2vj",
        r"(?:FwoGZXIvYXdz|IQoJb3JpZ2luX2Vj)[A-Za-z0-9/+=]+",
        r"FwoGZXIvYXdz[A-Za-z0-9/+=]|IQoJb3JpZ2luX2Vj[A-Za-z0-9/+=]",
    ),
    Shape(
        "jwt",
        ("eyj",),
        re.compile(r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*"),
        r"eyJ[A-Za-z0-9_-]{5}",
        breaks=True,
    ),
    _shape(
        "token",
        "bearer",
        r"(?<=[Bb]earer )\s*(?!\[)[A-Za-z0-9._~+/=-]{16,}",
        r"[Bb]earer \s*[A-Za-z0-9._~+/=-]{16}",
    ),
    _shape(
        "token",
        "bearer",
        r"(?<=BEARER )\s*(?!\[)[A-Za-z0-9._~+/=-]{16,}",
        r"BEARER \s*[A-Za-z0-9._~+/=-]{16}",
    ),
    _token(
        "github-token",
        "gho_ ghp_ ghu_ ghs_ ghr_ github_pat_",
        "(?:gh[pousr]_|github_pat_)",
        "[A-Za-z0-9_]",
        20,
    ),
    _token("slack-token", "xox xapp-", "(?:xox[a-z]|xapp)-", "[A-Za-z0-9-]", 8),
    _shape(
        "webhook-url",
        "hooks.slack discord webhook.office",
        r"(?<=://)(?:hooks\.slack\.com/(?:services|workflows)|discord(?:app)?\.com/api/webhooks|[\w.-]+\.webhook\.office\.com)"
        r"/[^\s\"'<>]+",
        r"hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|\.webhook\.office\.com/",
    ),
    _token("gitlab-token", "glpat-", "glpat-", _WORD, 15),
    _token("npm-token", "npm_", "npm_", _ALNUM, 30),
    _token("pypi-token", "pypi-", "pypi-", _WORD, 40),
    _token("google-key", "aiza", "AIza", _WORD, 35),
    _token("google-key", "gocspx-", "GOCSPX-", _WORD, 28),
    _token("google-token", "ya29.", r"ya29\.", _WORD, 30, _START),
    _token("stripe-key", "_live_ _test_", "[prs]k_(?:live|test)_", _ALNUM, 10),
    _token("api-key", "sk-", "sk-", _WORD, 20, r"(?<![\w-])"),
    _token("sendgrid-key", "sg.", r"SG\.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]", 16, r"(?<!\w)")._replace(
        anchor=r"SG\.[A-Za-z0-9_-]{5}"
    ),
    _token("vault-token", "hvs. hvb.", r"hv[sb]\.", _WORD, 20, r"(?<!\w)"),
    _token("vault-token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.", _WORD, 20, r"(?<!\w)"),
    _token("digitalocean-token", "_v1_", "do[opr]_v1_", _HEX, 64, _START),
    _token("shopify-token", "shp", "shp(?:at|ca|pa|ss)_", "[a-fA-F0-9]", 32, _START),
    _token("databricks-token", "dapi", "dapi", _HEX, 32, _START),
    _token("hugging-face-token", "hf_", "hf_", "[A-Za-z]", 34, _START),
    _token("docker-token", "dckr_", "dckr_(?:pat|oat)_", _WORD, 24, _START),
    _token("grafana-token", "glsa_ glc_", "(?:glsa|glc)_", r"[A-Za-z0-9_+/=]", 32, _START),
    _token("new-relic-key", "nrak- nrjs- nrii-", "(?:NRAK|NRJS|NRII)-", _WORD, 19, _START),
    _token("sentry-token", "sntry", "sntry[su]_", "[A-Za-z0-9_+/=]", 40, _START),
    _token("postman-key", "pmak-", "PMAK-", "[a-fA-F0-9-]", 59, _START),
    _token("linear-key", "lin_api_", "lin_api_", _ALNUM, 32, _START),
    _token("notion-token", "ntn_", "ntn_", _ALNUM, 40, _START),
    _token("atlassian-token", "atatt3", "ATATT3", "[A-Za-z0-9_=-]", 60, _START),
    _token("rubygems-key", "rubygems_", "rubygems_", _HEX, 48, _START),
    _token("groq-key", "gsk_", "gsk_", _ALNUM, 40, _START),
    _token("mailgun-key", "key-", "key-", _HEX, 32, _START),
    _token("twilio-key", "sk", "SK", _HEX, 32, r"(?<![A-Za-z0-9_])"),
    _token("telegram-token", ":aa", "[0-9]{8,10}:AA", _WORD, 33, _START),
    *_services(),
    _token("age-key", "age-secret-key-1", "AGE-SECRET-KEY-1", "[A-Z0-9]", 58, _START),
)

EMAIL = re.compile(r"(?<![\w.%+-])(?!git@)[\w.%+-]++@(?:[^\W_][\w-]*+\.)+[^\W\d_]{2,}+")
"""Starts at the start of a run only, and never gives back: long runs without an @ stay linear."""

LONG_RUN = re.compile(r"[A-Za-z0-9/+](?<![A-Za-z0-9/+]{2})[A-Za-z0-9/+]{39}+(?![A-Za-z0-9/+])")
"""Exactly as long as an AWS secret key; `redaction_shapes.is_random` tells it from a path."""
