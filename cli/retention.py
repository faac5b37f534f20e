"""`backstop retention`: let backups go that nobody needs any more, or say which would go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.names import environment_name
from cli.options import AsJson, EnvironmentOption, command
from cli.printing import console, print_json, table

if TYPE_CHECKING:
    from flows.backup_retention import Retained

app = command(
    "retention",
    "retention --environment masking --rehearse",
    "retention --environment masking",
    exits="0 done · 1 failed, may be repeated · 2 wrong command line · 3 refused, nothing was let go",
)


@app.default
def retention(*, environment: EnvironmentOption, rehearse: bool = False, as_json: AsJson = False) -> int:
    """Let a Docker stack's old backups go, with no Prefect server: into the trash, a day later for good.

    Args:
        environment: Which one.
        rehearse: Only say what would become of each, and why.
        as_json: Print every decision as JSON.
    """
    from deployments.environments import load_environment
    from flows.backup_retention import backup_retention

    done: Retained = backup_retention.fn(load_environment(environment_name(environment)), rehearse=rehearse)
    if as_json:
        print_json(done.model_dump(mode="json"))
        return 0
    table("", ("backup", "fate", "why"), [(each.id, each.fate.value, each.reason) for each in done.decisions])
    if not rehearse:
        console().print(
            f"Into the trash: {done.put_away}, taken back: {done.taken_back}, deleted: {done.deleted}"
        )
    return 0
