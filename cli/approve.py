"""`backstop approve`: read an incident's plan and answer it. The same as the form in the Prefect UI."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated, Any

from cyclopts import Parameter

from cli import reading
from cli.failures import WrongUsage
from cli.options import AsJson, command
from cli.printing import console, print_json
from cli.show import print_plan
from ledger import approvals
from ledger.cases import now
from ledger.database import Ledger, open_ledger
from ledger.models import PlanRow
from rules.approvals import Answer, Decision
from rules.errors import RecoveryRefused
from rules.outcomes import Phase

WORDS = {"ROLLBACK": Decision.APPROVE, "REJECT": Decision.REJECT}

app = command(
    "approve",
    "approve last",
    "approve k7qd2m --word ROLLBACK --by jane --comment 'agreed with the release manager'",
    "approve k7qd2m --reject --by jane --comment 'the data team is in there right now'",
    exits="0 the answer is recorded · 1 unexpected · 2 wrong command line · 3 refused: the plan does not "
    "wait, has changed, or you have answered it",
)


@app.default
def approve(
    incident: str = reading.LAST,
    *,
    word: str | None = None,
    by: str | None = None,
    comment: str | None = None,
    reject: bool = False,
    digest: Annotated[str | None, Parameter(help="Only if the plan's digest begins so.")] = None,
    as_json: AsJson = False,
) -> int:
    """Read an incident's plan and answer it.

    The answer counts for exactly this plan: if what is observed changes, it is void. Where two must agree,
    the person who asked for the recovery is not one of them.

    Args:
        incident: Its id, a part of it, or `last`: the newest open one.
        word: ROLLBACK approves, REJECT rejects. Asked for when it is left out.
        by: Your name. Default: the user of this terminal.
        comment: Why, for the report.
        reject: The same as --word REJECT.
        digest: Only if the plan's digest begins so: for scripts that showed the plan earlier.
        as_json: Print the recorded answer as JSON.
    """
    ledger = open_ledger()
    incident_id, plan = waiting_plan(ledger, incident)
    if digest and not plan["digest"].startswith(digest):
        raise RecoveryRefused(
            f"{incident_id} waits with plan {plan['digest'][:12]}, not {digest[:12]}.",
            hint=f"What was observed has changed: read it again with `backstop show {incident_id}`.",
        )
    if not as_json:
        console().print(f"[bold]{incident_id}[/]  {plan['scenario']} in {plan['environment']}")
        print_plan(plan)
    answer = _answer("REJECT" if reject else word, by, comment)
    with ledger.session("an answer") as session:
        approvals.give(session, incident_id, plan["digest"], answer, now())
    if as_json:
        print_json({"incident": incident_id, "digest": plan["digest"], **answer.model_dump(mode="json")})
    else:
        console().print(f"\nRecorded: {answer.decision.value} by {answer.approver}.")
        console().print(f"Watch it: backstop show {incident_id} --follow")
    return 0


def waiting_plan(ledger: Ledger, typed: str) -> tuple[str, dict[str, Any]]:
    """The id and the pinned plan of an incident that waits for people.

    Raises:
        RecoveryRefused: it does not wait.
    """
    with ledger.reading() as session:
        row = reading.find(session, typed, open_only=typed == reading.LAST)
        plan = session.get(PlanRow, row.plan_id) if row.plan_id else None
        if row.closed_at is not None:
            raise RecoveryRefused(
                f"{row.id} has ended: {row.ending}.",
                hint="`backstop incidents --open` lists those that have not.",
            )
        if plan is None or plan.state != "pinned" or row.phase != Phase.GUARD.value:
            raise RecoveryRefused(
                f"{row.id} does not wait for an answer: it is at {row.phase}.",
                hint=f"Watch it: backstop show {row.id} --follow",
            )
        return row.id, {**plan.body, "digest": plan.digest, "state": "waits for an answer"}


def _answer(word: str | None, by: str | None, comment: str | None) -> Answer:
    """The answer, asking for what is missing where somebody sits at a terminal."""
    asking = word is None
    if asking and not sys.stdin.isatty():
        raise WrongUsage(
            "Nobody is here to type the word.", hint="Give --word ROLLBACK, or --reject, and --by NAME."
        )
    if asking:
        word = input("\nType ROLLBACK to approve, REJECT to reject: ").strip()
        by = by or input(f"Your name [{getpass.getuser()}]: ").strip()
        comment = comment if comment is not None else input("Comment: ").strip()
    if word not in WORDS:
        raise WrongUsage(f"{word!r} is neither ROLLBACK nor REJECT.", hint="Nothing was recorded.")
    name = by or getpass.getuser()
    if not 2 <= len(name) <= 80 or not name.isprintable():
        raise WrongUsage("A name has 2 to 80 letters.", hint="Give it with --by.")
    return Answer(decision=WORDS[word], approver=name, comment=(comment or "")[:500], source="command")
