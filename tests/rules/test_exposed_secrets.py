"""What is judged of exposed keys: whose they are, whether they are dead, which one a lost answer left."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rules.disclosure import DUTIES, duties, told
from rules.errors import NoWayBack
from rules.exposed_secrets import (
    Answer,
    ExposedKey,
    KeyFacts,
    account_of,
    judge_death,
    key_reference,
    left_by_a_lost_answer,
    persons_work,
    the_key,
)
from rules.findings import Finding
from rules.outcomes import Verdict
from rules.redaction import redact
from rules.secret_checks import Proof

KEY = ExposedKey(reference="AKIA…0001", user="runner", active=True)


def key(reference: str, *, active: bool = True, used: bool = False) -> KeyFacts:
    """A key of the user."""
    return KeyFacts(reference=reference, active=active, was_used=used)


@pytest.mark.parametrize(
    ("facts", "answer", "verdict"),
    [
        (key(KEY.reference), Answer.REFUSED, Verdict.FAIL),
        (key(KEY.reference, active=False), Answer.ACCEPTED, Verdict.FAIL),
        (key(KEY.reference, active=False), Answer.UNCLEAR, Verdict.INCONCLUSIVE),
        (key(KEY.reference, active=False), Answer.REFUSED, Verdict.PASS),
        (None, Answer.REFUSED, Verdict.PASS),
        (None, Answer.ACCEPTED, Verdict.FAIL),
    ],
)
def test_a_key_is_dead_when_both_say_so(facts: KeyFacts | None, answer: Answer, verdict: Verdict) -> None:
    """IAM's word and the refused calls have to agree; no clear answer is neither."""
    assert judge_death(KEY, facts, answer).verdict is verdict


def test_only_what_we_lost_is_deleted() -> None:
    """New since the plan, never used, not the one in the store: every other key is somebody's."""
    keys = [
        key("AKIA…0001"),
        key("AKIA…0002"),
        key("AKIA…0003", used=True),
        key("AKIA…0004"),
        key("AKIA…0005"),
    ]

    lost = left_by_a_lost_answer(keys, before=["AKIA…0001", "AKIA…0002"], stored="AKIA…0004")

    assert [each.reference for each in lost] == ["AKIA…0005"]


def test_a_reference_is_no_secret_and_finds_its_key() -> None:
    """It passes the redactor unchanged, stands for one id of the user's, and for none when two end alike."""
    ids = ["AKIA" + "A" * 12 + "MPL7", "AKIA" + "B" * 12 + "MPL8"]

    assert redact(key_reference(ids[0])) == key_reference(ids[0]) == "AKIA…MPL7"
    assert the_key(ids, "AKIA…MPL8") == ids[1]
    assert the_key(ids, "AKIA…MPL9") == ""
    with pytest.raises(NoWayBack):
        the_key([ids[0], "AKIA" + "C" * 12 + "MPL7"], "AKIA…MPL7")


def test_an_id_tells_its_account() -> None:
    """The account is in the id itself; old ids hold none."""
    assert account_of("ASIA" + "QNZGKIQY56JQ7WML") == "029608264753"
    assert account_of("AKIA" + "IOSFODNN7EXAMPLE") == ""


def test_what_only_a_person_can_do_is_said_by_kind() -> None:
    """Each other kind once, temporary keys and other accounts' keys with whose they are; it passes the redactor."""
    found = [
        Finding(file="a", offset=0, length=1, line=1, kind=kind, proof=Proof.SHAPE, fingerprint="f")
        for kind in ("password", "password", "github-token", "aws-key-id")
    ]
    keys = [
        ExposedKey(reference="ASIA…0001", is_temporary=True),
        ExposedKey(reference="AKIA…0002", account="111111111111"),
        KEY,
    ]

    work = persons_work(found, keys)

    assert [each.split(" ")[0] for each in work] == ["github-token", "password", "ASIA…0001", "AKIA…0002"]
    assert "111111111111" in work[-1]
    assert redact("; ".join(work)) == "; ".join(work)


def test_who_must_be_told_depends_on_the_kinds() -> None:
    """Compliance always; the bank for cards only; the most urgent first, with the hour by which."""
    noticed = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)

    assert duties([]) == ()
    assert "the bank that takes the card payments" in [duty.who for duty in duties(["card"])]
    assert "the bank that takes the card payments" not in [duty.who for duty in duties(["email"])]
    hours = [duty.hours for duty in duties({kind for duty in DUTIES for kind in duty.kinds or ()})]
    assert hours == sorted(hours)
    assert len(hours) == len(DUTIES)
    assert "by 2026-12-01 03:00 UTC" in told(duties(["email"])[-1], noticed)
