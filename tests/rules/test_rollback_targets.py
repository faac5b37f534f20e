"""Which release may be returned to, over every history that Hypothesis can think of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.outcomes import Verdict
from rules.rollback_targets import (
    Deployment,
    choose,
    expected_code,
    judge_one_release,
    running_release,
    standing,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
RELEASES = ["a", "b", "c", "d", "e"]
FUNCTIONS = ["ingestion", "dashboard"]


def deployed(release: str, day: int, verdict: Verdict | None = Verdict.PASS, code: str = "") -> Deployment:
    """A deployment whose functions all have the code named after the release, unless told otherwise."""
    return Deployment(
        release=release,
        deployed_at=START + timedelta(days=day),
        verdict=verdict,
        code=dict.fromkeys(FUNCTIONS, code or f"code-{release}"),
    )


def live(release: str) -> dict[str, str]:
    """What is live after a release was deployed everywhere."""
    return dict.fromkeys(FUNCTIONS, f"code-{release}")


deployments = st.builds(
    deployed,
    release=st.sampled_from(RELEASES),
    day=st.integers(0, 6),  # few days, so that several fall on one
    verdict=st.sampled_from([None, *Verdict]),
    code=st.sampled_from(["", "", "code-x", "code-a"]),
)
histories = st.lists(deployments, max_size=12)
running_codes = st.fixed_dictionaries(
    {f: st.sampled_from(["code-x", *(f"code-{r}" for r in RELEASES)]) for f in FUNCTIONS}
)


@given(histories, running_codes, st.sampled_from(["", *RELEASES]))
def test_the_running_release_is_never_chosen(
    history: list[Deployment], now: dict[str, str], name: str
) -> None:
    """Neither by its name, nor by being proven with exactly the code that is live."""
    chosen = choose(history, now, name).candidates

    assert name not in chosen
    for release in chosen:
        newest = _decisive(history, release)[-1]
        assert newest.code != now


@given(histories, running_codes, st.sampled_from(["", *RELEASES]))
def test_a_broken_or_never_proven_release_is_never_chosen(
    history: list[Deployment], now: dict[str, str], name: str
) -> None:
    """Every candidate's last decisive verification passed."""
    for release in choose(history, now, name).candidates:
        assert _decisive(history, release)[-1].verdict is Verdict.PASS


@given(histories, running_codes, st.sampled_from(["", *RELEASES]))
def test_every_release_is_judged_once_with_a_reason(
    history: list[Deployment], now: dict[str, str], name: str
) -> None:
    """The choice says why for each, and an asked-for release is judged by the same rule."""
    choice = choose(history, now, name)

    assert sorted(s.release for s in choice.standings) == sorted({d.release for d in history})
    assert all(s.reason for s in choice.standings)
    for judged in choice.standings:
        assert standing(history, judged.release, now, name) == judged
        assert (judged.release in choice.candidates) == judged.eligible


@given(histories, running_codes)
def test_the_order_of_the_candidates_is_the_order_of_deployment(
    history: list[Deployment], now: dict[str, str]
) -> None:
    """The most recently deployed candidate comes first."""
    last = {d.release: max(e.deployed_at for e in history if e.release == d.release) for d in history}
    times = [last[release] for release in choose(history, now).candidates]

    assert times == sorted(times, reverse=True)


def _decisive(history: list[Deployment], release: str) -> list[Deployment]:
    """Written apart from the rule: a release's decisive deployments in the order of time, then of recording."""
    mine = [d for d in history if d.release == release and d.verdict in (Verdict.PASS, Verdict.FAIL)]
    return sorted(mine, key=lambda d: d.deployed_at)


def test_the_last_proven_release_comes_first() -> None:
    """After a bad deployment of c, b is first and a second."""
    history = [deployed("a", 1), deployed("b", 2), deployed("c", 3, Verdict.FAIL)]

    assert choose(history, live("c"), "c").candidates == ("b", "a")


@pytest.mark.parametrize(
    ("release", "why"),
    [
        ("z", "never deployed here"),
        ("c", "is running"),
        ("b", "broken"),
        ("n", "never proven"),
        ("twin", "its code is what is running"),
    ],
)
def test_a_refusal_says_why(release: str, why: str) -> None:
    """Each way of not being eligible has its own words."""
    history = [
        deployed("a", 1),
        deployed("b", 2),
        deployed("b", 3, Verdict.FAIL),
        deployed("n", 4, Verdict.INCONCLUSIVE),
        deployed("twin", 5, code="code-c"),
        deployed("c", 6, None),
    ]

    judged = standing(history, release, live("c"), "c")

    assert not judged.eligible
    assert why in judged.reason


def test_half_a_rollback_still_leads_back() -> None:
    """With one function on each release nothing runs as a whole: the proven one of the two can be chosen."""
    history = [deployed("a", 1), deployed("b", 2, Verdict.FAIL)]

    mixed = {"ingestion": "code-a", "dashboard": "code-b"}

    assert running_release(history, mixed) == ""
    assert choose(history, mixed).candidates == ("a",)


def test_the_running_release_is_recognised_by_its_code() -> None:
    """By the newest deployment that was verified with exactly this code."""
    assert running_release([deployed("a", 1), deployed("b", 2)], live("a")) == "a"


def test_the_expected_code_is_that_of_the_last_pass() -> None:
    """What a release was proven with last is what its packages must still be."""
    history = [
        deployed("a", 1, code="old"),
        deployed("a", 2, code="new"),
        deployed("a", 3, Verdict.FAIL, code="bad"),
    ]

    assert expected_code(history, "a") == dict.fromkeys(FUNCTIONS, "new")


@pytest.mark.parametrize(
    ("now", "verdict", "says"),
    [
        (live("a"), Verdict.PASS, "all run a"),
        ({"ingestion": "code-b", "dashboard": "code-a"}, Verdict.FAIL, "dashboard runs a"),
        ({"ingestion": "code-x", "dashboard": "code-a"}, Verdict.FAIL, "unrecorded code"),
        (live("x"), Verdict.INCONCLUSIVE, "unrecorded code"),
        ({}, Verdict.INCONCLUSIVE, "nothing was read"),
    ],
)
def test_half_a_deployment_is_found(now: dict[str, str], verdict: Verdict, says: str) -> None:
    """Functions of different releases are half a deployment, even where all of them work."""
    check = judge_one_release([deployed("a", 0), deployed("b", 1)], now)

    assert check.verdict is verdict
    assert says in check.reason
