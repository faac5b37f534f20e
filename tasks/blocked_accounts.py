"""The list of accounts in which no test may act: in the ledger, and in the kit's own settings."""

from __future__ import annotations

from blocks.environment import Environment
from ledger import blocked_accounts as listed
from ledger.cases import now
from ledger.database import is_there, open_ledger
from rules.outcomes import Effect
from tasks._kit_lists import add_to_list
from tasks.kinds import action, probe


@probe
def blocked_accounts() -> dict[str, str]:
    """Every account that is on the list, and why. Where there is no ledger yet, none is made. Permissions: none."""
    if not is_there():
        return {}
    with open_ledger().reading() as session:
        return listed.on_the_list(session)


@action(subject="account {account}")
def block_account(environment: Environment, account: str, reason: str) -> Effect:
    """Put an account on the list, for every environment but production's own. Repeating it changes nothing.

    Permissions: none
    """
    with open_ledger().session("block an account") as session:
        changed = listed.block(session, account, f"the recovery of {environment.name}", reason, now())
    return Effect(subject=f"account {account}", changed=changed, before="open", after="blocked")


@action(subject="{account} in the kit's settings")
def block_in_kit(environment: Environment, account: str) -> Effect:
    """Put an account on the kit's own list, so that it refuses by itself. Repeating it changes nothing.

    Permissions: none, it writes the kit's `.env`
    """
    variable = environment.test_kit.variables.blocked_accounts
    effect = add_to_list(environment, variable, (account,))
    return effect.model_copy(update={"subject": f"{account} in the kit's settings"})
