"""`backstop readiness`: would each recovery work right now?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cli.checkup import Verdict
from cli.names import environment_name
from cli.options import AsJson, EnvironmentFilter, command
from cli.printing import coloured, console, print_json

if TYPE_CHECKING:
    from flows.readiness import Readiness

NOT_READY = 3
SHOWN = {"ready": Verdict.PASS, "unknown": Verdict.WARN, "not ready": Verdict.FAIL}

app = command(
    "readiness",
    "readiness",
    "readiness --environment prod --json",
    exits="0 everything is ready · 1 unexpected error · 2 wrong command line · 3 something is not ready, or unknown",
)


@app.default
def readiness(*, environment: EnvironmentFilter = None, as_json: AsJson = False) -> int:
    """Look whether each scenario would work right now, a line each. It changes nothing, and tells people once.

    Args:
        environment: Which one; without it, every one that is registered or has a file.
        as_json: Print JSON, with every precondition.
    """
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    from deployments.environments import load_all, load_environment
    from flows.readiness import readiness as look

    names = [load_environment(environment_name(environment))] if environment else load_all()
    done: list[Readiness] = [look.fn(each) for each in names]
    lines = [line for each in done for line in each.lines]
    if as_json:
        ready = all(each.all_ready for each in done)
        print_json({"ready": ready, "environments": [each.model_dump(mode="json") for each in done]})
    else:
        from rich.markup import escape

        for line in lines:
            shown = coloured(SHOWN[line.state.value].value)
            console().print(
                f"{shown}  {line.environment:<10} {line.scenario:<28} {line.state.value} since "
                f"{line.since:%Y-%m-%d %H:%M}"
            )
            for reason in line.reasons:
                console().print(f"      {escape(reason)}")
            for hint in line.todo:
                console().print(f"      hint: {escape(hint)}")
    return 0 if all(each.all_ready for each in done) else NOT_READY
