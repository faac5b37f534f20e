"""`backstop drill` lists what was drilled, and rehearses; what it says is also data."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ledger import drills
from ledger.cases import now
from ledger.database import open_ledger
from ledger.drills import Opening
from ledger.holders import this_process
from rules.drill_grades import Graded
from rules.outcomes import Verdict
from tests.cli.conftest import Backstop


def test_drills_are_listed_with_their_grade_and_why(backstop: Backstop) -> None:
    """The newest first; one that goes on is open; a fault that may still be there can be seen."""
    assert "no drill yet" in backstop("drill").out
    with open_ledger().session() as session:
        opening = Opening(
            "preprod",
            "preprod",
            "canary-failure",
            "broken-release",
            emergency=False,
            promised_seconds=300,
            gives_up_at=now(),
        )
        first = drills.open_drill(session, opening, this_process(), now() - timedelta(hours=1))
        drills.end(session, first, Graded(grade=Verdict.FAIL, reasons=("it took long",)), "inc-1", now())
        second = drills.open_drill(session, opening, this_process(), now())
        drills.intend(session, second, this_process(), now(), 30, before={}, note={"a": "b"})

    text, data = backstop("drill"), backstop("drill", "--environment", "preprod", "--json")

    assert [line.split()[2] for line in text.out.splitlines()[1:]] == [second, first]
    assert "fail" in text.out
    assert "it took long" in text.out
    assert [each["fault_may_be_there"] for each in data.data] == [True, False]
    assert backstop("drill", "--environment", "prod", "--json").data == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("preprod", "--rehearse", "--fault", "rm-rf"), 2, "Faults: broken-release"),
        (("masking", "--rehearse"), 3, "allows no drill"),
        (("nowhere", "--rehearse"), 2, "no environment 'nowhere'"),
    ],
)
def test_what_cannot_be_drilled_is_refused(
    backstop: Backstop, words: tuple[str, ...], code: int, said: str
) -> None:
    """One clear error, with what there is."""
    found = backstop("drill", "start", *words)

    assert found.code == code, found.err
    assert said in found.err
