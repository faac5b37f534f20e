"""`backstop doctor`: would a recovery work right now?"""

from __future__ import annotations

from cli import doctor_machine, doctor_server
from cli.checkup import Result, Verdict
from cli.options import AsJson, command
from cli.printing import coloured, console, print_json

app = command(
    "doctor",
    "doctor",
    "doctor --json",
    exits="0 nothing fails (there may be warnings) · 1 something fails · 2 wrong command line",
)


@app.default
def doctor(*, as_json: AsJson = False) -> int:
    """Check that a recovery would work right now, one line a check. It changes nothing that stays.

    Args:
        as_json: Print JSON.
    """
    results: list[Result] = []
    for check in (*doctor_machine.CHECKS, *doctor_server.CHECKS):
        for result in check():
            results.append(result)
            if not as_json:
                _print(result)
    failed = sum(result.verdict is Verdict.FAIL for result in results)
    warned = sum(result.verdict is Verdict.WARN for result in results)
    if as_json:
        print_json({"healthy": failed == 0, "checks": [result.told() for result in results]})
    else:
        console().print(f"\n{len(results)} checks, {failed} failed, {warned} warnings.")
    return 1 if failed else 0


def _print(result: Result) -> None:
    from rich.markup import escape

    console().print(f"{coloured(result.verdict.value)}  {result.name:<22} {escape(result.said)}")
    if result.hint and result.verdict is not Verdict.PASS:
        console().print(f"      {'':<22} hint: {escape(result.hint)}")
