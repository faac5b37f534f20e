"""The `backstop` command. Every subcommand is imported only when it is the one that was asked for."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Group, Parameter

from cli.failures import explain

HELP = """\
Rollback runbooks that run themselves.

To see it work: backstop demo
At 3 a.m.: backstop incidents --open, backstop show last, backstop approve last
"""

EXIT_CODES = """\
Exit codes:
    0  recovered, nothing to do, rehearsed, or simply done
    1  unexpected error
    2  wrong command line
    3  refused, nothing was changed
    4  not recovered
    5  undo failed
    6  already handled by a live run
  130  interrupted
"""


def _version() -> str:
    from importlib.metadata import version

    return version("backstop")


app = App(
    name="backstop",
    help=HELP,
    help_epilogue=EXIT_CODES,
    help_format="plaintext",
    default_parameter=Parameter(negative=()),
    result_action="return_value",
    version=_version,
    suppress_keyboard_interrupt=False,
)

INCIDENTS = Group("Incidents", sort_key=1)
RUNNING = Group("Running Backstop", sort_key=2)
PRACTICE = Group("Practice", sort_key=3)

for _path, _name, _help, _group in (
    ("cli.recover:app", "recover", "Recover an environment, or rehearse it, and watch.", INCIDENTS),
    ("cli.approve:app", "approve", "Read an incident's plan and answer it.", INCIDENTS),
    ("cli.incidents:app", "incidents", "List incidents, newest first.", INCIDENTS),
    ("cli.show:app", "show", "Show one incident: plan, answers, steps, timeline.", INCIDENTS),
    ("cli.report:app", "report", "Say how a day's or a month's recoveries went.", INCIDENTS),
    ("cli.scenarios:app", "scenarios", "List what Backstop can recover from.", INCIDENTS),
    ("cli.preflight:app", "preflight", "Check that a test run may begin in an environment.", INCIDENTS),
    (
        "cli.blocked_accounts:app",
        "blocked-accounts",
        "AWS accounts in which no test may act, and how one comes off the list.",
        INCIDENTS,
    ),
    ("cli.stop_lever:app", "stop-lever", "Stop all acting, everywhere or in one environment.", INCIDENTS),
    ("cli.up:app", "up", "Run Backstop here: Prefect server, responder, webhook receiver.", RUNNING),
    ("cli.apply:app", "apply", "Register environments and deployments on the Prefect server.", RUNNING),
    ("cli.backup:app", "backup", "Back a Docker stack up, or list its backups.", RUNNING),
    ("cli.retention:app", "retention", "Let old backups of a Docker stack go, or say which would.", RUNNING),
    ("cli.doctor:app", "doctor", "Check that a recovery would work right now.", RUNNING),
    ("cli.readiness:app", "readiness", "Say which recoveries would work right now.", RUNNING),
    ("cli.drill:app", "drill", "Break an environment on purpose and grade its recovery.", PRACTICE),
    ("cli.demo:app", "demo", "The main job, live, on a practice world.", PRACTICE),
    ("cli.sandbox_commands:app", "sandbox", "The practice world: start it, break it, repair it.", PRACTICE),
):
    app.command(_path, name=_name, help=_help, group=_group)


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    debug: Annotated[bool, Parameter(help="Show the whole traceback of an error.")] = False,
) -> int:
    """Run one subcommand."""
    result = app(tokens)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of the `backstop` command: runs it and exits with the documented code."""
    arguments = sys.argv[1:]
    try:
        code = app.meta(arguments, result_action="return_value")
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the last door: everything becomes one line and a code
        code = explain(error, debug="--debug" in arguments, as_json="--json" in arguments)
    sys.exit(code)
