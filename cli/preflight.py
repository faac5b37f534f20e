"""`backstop preflight`: may a test run begin in an environment?"""

from __future__ import annotations

import os

from cli.checkup import Verdict
from cli.names import environment_name
from cli.options import AsJson, command
from cli.printing import coloured, console, print_json

REFUSED = 3
SHOWN = {"pass": Verdict.PASS, "inconclusive": Verdict.WARN, "fail": Verdict.FAIL}

app = command(
    "preflight",
    "preflight qa",
    "preflight qa --next-run run-42",
    exits="0 no line fails · 1 unexpected error · 2 wrong command line · 3 a line fails: do not run",
)


@app.default
def preflight(environment: str, *, next_run: str | None = None, as_json: AsJson = False) -> int:
    """Go through the checklist before a test run, a verdict a line. It changes nothing.

    Args:
        environment: Where the test kit runs.
        next_run: Name of the folder that the next run is to write.
        as_json: Print JSON.
    """
    name = environment_name(environment)
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    from deployments.environments import load_environment
    from flows.preflight import preflight as look

    done = look.fn(load_environment(name), next_run)
    checks = done.verification.checks
    if as_json:
        print_json(
            {"may_run": done.verdict.value == "pass", "checks": [c.model_dump(mode="json") for c in checks]}
        )
        return _code(done.verdict.value)
    from rich.markup import escape

    for check in checks:
        shown = SHOWN[check.verdict.value]
        console().print(f"{coloured(shown.value)}  {check.name:<30} {escape(check.reason)}")
    failed = sum(check.verdict.value == "fail" for check in checks)
    console().print(f"\n{len(checks)} lines, {failed} fail{'' if failed else ': go'}.")
    return _code(done.verdict.value)


def _code(verdict: str) -> int:
    return 0 if verdict == "pass" else REFUSED
