"""What must hold before anything is changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.errors import RecoveryRefused
from rules.guards import not_blocked, same_place
from rules.severity import Tier

accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)
regions = st.sampled_from(["us-east-1", "eu-west-1", "ap-south-1"])


@given(accounts, accounts, regions, regions)
def test_only_the_same_place_passes(wanted: str, seen: str, region: str, seen_region: str) -> None:
    """Whatever differs, the account or the region, is refused; what is the same passes."""
    if (wanted, region) == (seen, seen_region):
        same_place(wanted, seen, region, seen_region, "prod")
    else:
        with pytest.raises(RecoveryRefused):
            same_place(wanted, seen, region, seen_region, "prod")


def test_the_refusal_names_both_sides() -> None:
    """The person on call reads which account the credentials are of, and which one was meant."""
    with pytest.raises(RecoveryRefused, match=r"210987654321.*prod is account 123456789012") as refused:
        same_place("123456789012", "210987654321", "us-east-1", "us-east-1", "prod")
    assert "account_id" in refused.value.hint

    with pytest.raises(RecoveryRefused, match=r"eu-west-1.*us-east-1") as refused:
        same_place("123456789012", "123456789012", "us-east-1", "eu-west-1", "prod")
    assert "AWS_REGION" in refused.value.hint


@pytest.mark.parametrize("tier", list(Tier))
def test_a_blocked_account_is_productions_own_alone(tier: Tier) -> None:
    """Whatever is not production is refused there, with the reason and the way off the list."""
    blocked = {"123456789012": "the test run run-1 acted there"}

    not_blocked("210987654321", blocked, tier, "qa")
    if tier is Tier.PRODUCTION:
        not_blocked("123456789012", blocked, tier, "prod")
    else:
        with pytest.raises(RecoveryRefused, match="run-1 acted there") as refused:
            not_blocked("123456789012", blocked, tier, "qa")
        assert "blocked-accounts remove" in refused.value.hint
