"""`backstop blocked-accounts`: AWS accounts in which no test may act, and how one comes off the list again."""

from __future__ import annotations

import getpass

from cyclopts import App

from cli.printing import console, table
from ledger import blocked_accounts
from ledger.cases import now
from ledger.database import open_ledger
from rules.names import AccountId

app = App(
    name="blocked-accounts",
    help_epilogue="Examples:\n  backstop blocked-accounts list\n"
    "  backstop blocked-accounts add 111111111111 --reason 'production'\n"
    "  backstop blocked-accounts remove 111111111111\n\n"
    "An environment of production itself is never refused. A kit's own `.env` keeps the account until it is edited.",
    help_format="plaintext",
)


@app.command(name="list")
def show() -> int:
    """Say which accounts are blocked and why."""
    with open_ledger().reading() as session:
        found = blocked_accounts.on_the_list(session)
    if found:
        table("", ("account", "because"), list(found.items()))
    else:
        console().print("No account is blocked.")
    return 0


@app.command
def add(account: AccountId, *, reason: str, by: str | None = None) -> int:
    """Block an account for every environment that is not production.

    Args:
        account: 12 digits.
        reason: Why; everybody who is refused reads it.
        by: Who blocks it; default: the user of this terminal.
    """
    with open_ledger().session("block an account") as session:
        blocked_accounts.block(session, account, by or getpass.getuser(), reason, now())
    return show()


@app.command
def remove(account: AccountId) -> int:
    """Take an account off the list.

    Args:
        account: 12 digits.
    """
    with open_ledger().session("take an account off the list") as session:
        was_on = blocked_accounts.take_off(session, account)
    console().print(f"{account} is no longer blocked." if was_on else f"{account} was not blocked.")
    return show()
