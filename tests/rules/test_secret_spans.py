"""Secrets and personal data are found where they stand, and what proves them is told."""

from __future__ import annotations

import base64

import pytest

from rules.redaction import redact
from rules.secret_checks import Proof, prove
from rules.secret_spans import PERSONAL, find_spans

# Built from halves, so that no scanner takes this file for a leak.
KEY_ID = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0." + "c2lnbmF0dXJl-_x"
CARD = "4111" + "1111" + "11111111"

FOUND = [
    (f"used {KEY_ID} twice", KEY_ID, "aws-key-id"),
    (f'{{"token": "{GITHUB}"}}', GITHUB, "github-token"),
    ("postgres://app:p@ss!w0rd@db:5432/x", "p@ss!w0rd", "password"),
    ('{"body": "{\\\\\\"password\\\\\\": \\\\\\"hunter2\\\\\\"}"}', "hunter2", "password"),
    ("&quot;password&quot;: &quot;hunter2&quot;,", "hunter2", "password"),
    ("<td>password</td><td>hunter2</td>", "hunter2", "password"),
    ("<password>hunter2</password>", "hunter2", "password"),
    ("| `password` | `hunter2` |", "hunter2", "password"),
    ("pays from GB33BUKB20201555555555 now", "GB33BUKB20201555555555", "iban"),
    ("pays from DE89 3704 0044 0532 0130 00.", "DE89 3704 0044 0532 0130 00", "iban"),
    (f'{{"amount": 1, "card": {CARD}}}', CARD, "card"),
    ("mail jané.doe@example.com now", "jané.doe@example.com", "email"),
    ('{"customerName": "Jo Doe"}', "Jo Doe", "name"),
    ('{"patient_name":"Jo \u00d8rsted"}', "Jo \u00d8rsted", "name"),
    ("patient name: Jo Doe", "Jo Doe", "name"),
    ("| Diagnosis | asthma |", "asthma", "health"),
    ("<th>Date of birth</th><td>1990-01-31</td>", "1990-01-31", "birth-date"),
    ('{"dob": "1990-01-31"}', "1990-01-31", "birth-date"),
    ("mrn=MRN-0042", "MRN-0042", "health"),
    ('"mobile_number": "0151 1234567"', "0151 1234567", "phone"),
]
CLEAN = [
    '{"next_token": "AAAA-page-2", "nextToken": "b64page"}',
    '{"function_name": "ingest", "queue_name": "qa", "phone": null, "first_name": ""}',
    '{"traceId": "c2ce6f447ed4d57b1e2feb89414c343c", "spanId": "5107707874651863"}',
    "GB33BUKB20201555555556 has a wrong check digit",
    "the first name: none. diagnosis: unknown",
    '"address": "10.0.0.1", "disk_name": "sda"',
    base64.b64encode(b"nothing to see here, move along please").decode(),
]


@pytest.mark.parametrize(("text", "secret", "kind"), FOUND)
def test_finds(text: str, secret: str, kind: str) -> None:
    """Each is found as its kind, at its exact place."""
    assert (secret, kind) in [(text[span.start : span.end], span.kind) for span in find_spans(text)]


@pytest.mark.parametrize("text", CLEAN)
def test_finds_nothing_in_what_is_clean(text: str) -> None:
    """Page tokens, span ids, names of things, empty fields and wrong check digits are no findings."""
    assert [(text[span.start : span.end], span.kind) for span in find_spans(text)] == []


@pytest.mark.parametrize("text", [text for text, _, kind in FOUND if kind not in PERSONAL])
def test_agrees_with_the_redactor(text: str) -> None:
    """What the scanner finds as a credential, the redactor takes out: they share their shapes."""
    for span in find_spans(text):
        assert text[span.start : span.end] not in redact(text)


def test_the_rest_of_a_secret_is_found_too() -> None:
    """A password that holds something of a known shape is found from its first to its last character."""
    text = f'{{"password": "before-{KEY_ID}-and-after", "x": 1}}'

    found = find_spans(text)

    covered = "".join(text[span.start : span.end] for span in found)
    assert covered == f"before-{KEY_ID}-and-after"
    assert KEY_ID in [text[span.start : span.end] for span in found]


@pytest.mark.parametrize("gap", ["\n", "\r\n", "\n    ", "\\\n", "=\n", "\n> ", "\\n"])
def test_a_token_cut_by_a_line_end(gap: str) -> None:
    """A token that was wrapped is found as one, from its first to its last character."""
    text = f"key {KEY_ID[:12]}{gap}{KEY_ID[12:]} was used\nnext"

    (found,) = find_spans(text)

    assert text[found.start : found.end] == f"{KEY_ID[:12]}{gap}{KEY_ID[12:]}"
    assert found.kind == "aws-key-id"


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_token_in_base64(before: str, encode: type[bytes]) -> None:
    """Wherever it starts in what was encoded, the whole run is found."""
    run = base64.b64encode(f"{before} {KEY_ID} and more".encode()).decode()

    (found,) = find_spans(f"data: {run}\n")

    assert (found.start, found.end, found.kind) == (6, 6 + len(run), "aws-key-id")


@pytest.mark.parametrize(
    ("kind", "secret", "proof"),
    [
        ("github-token", GITHUB, Proof.CHECKSUM),
        ("github-token", GITHUB[:-1] + "8", Proof.DOUBTFUL),
        ("aws-key-id", KEY_ID, Proof.STRUCTURE),
        ("aws-key-id", "AKIA" + "0000000000000000", Proof.DOUBTFUL),
        ("jwt", JWT, Proof.STRUCTURE),
        ("jwt", "eyJxxxxxxx." + "yyyyyyy.z", Proof.DOUBTFUL),
        ("private-key", "-----BEGIN PRIVATE " + "KEY-----\nabc\n-----END PRIVATE KEY-----", Proof.DOUBTFUL),
        (
            "private-key",
            f"-----BEGIN {'PRIVATE'} KEY-----\n{base64.b64encode(b'0' * 64).decode()}\n-----END PRIVATE KEY-----",
            Proof.STRUCTURE,
        ),
        ("slack-token", "xoxb-" + "1234", Proof.SHAPE),
    ],
)
def test_the_second_look(kind: str, secret: str, proof: Proof) -> None:
    """A right checksum or structure is told from a wrong one."""
    assert prove(kind, secret) is proof
