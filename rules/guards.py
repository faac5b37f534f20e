"""What must hold before anything is changed, whatever the plan is."""

from __future__ import annotations

from collections.abc import Mapping

from rules.errors import RecoveryRefused
from rules.severity import Tier


def same_engine(wanted: str | None, seen: str, environment: str) -> None:
    """Refuse when another Docker engine answers than the environment says; without a wish any engine will do.

    Raises:
        RecoveryRefused: another engine.
    """
    if wanted is not None and seen != wanted:
        raise RecoveryRefused(
            f"The Docker engine that answers is {seen}, but {environment} is on {wanted}.",
            hint="Correct `address` or `engine_id` in the environment's file; `docker info` says the id.",
        )


def same_place(
    wanted_account: str, seen_account: str, wanted_region: str, seen_region: str, environment: str
) -> None:
    """Refuse when the credentials in hand belong to another place than the environment says.

    Raises:
        RecoveryRefused: another account or region.
    """
    if seen_account != wanted_account:
        raise RecoveryRefused(
            f"The credentials belong to account {seen_account}, "
            f"but {environment} is account {wanted_account}.",
            hint="Use the credentials of that account, or correct `account_id` in the environment's file.",
        )
    if seen_region != wanted_region:
        raise RecoveryRefused(
            f"The credentials point at region {seen_region}, but {environment} is in {wanted_region}.",
            hint="Correct `region` in the environment's file, or AWS_REGION.",
        )


def not_blocked(account: str, blocked: Mapping[str, str], tier: Tier, environment: str) -> None:
    """Refuse an account that tests did harm in, to every environment but production's own.

    Raises:
        RecoveryRefused: it is on the list.
    """
    if account in blocked and tier is not Tier.PRODUCTION:
        raise RecoveryRefused(
            f"{environment} is in account {account}, which is blocked: {blocked[account]}.",
            hint="Correct the environment's account; or `backstop blocked-accounts remove` once it is safe.",
        )
