"""`backstop recover`: carry an environment back, or rehearse it, and watch."""

from __future__ import annotations

import getpass
from typing import Any

from cli import catalogue
from cli.failures import WrongUsage
from cli.names import environment_name, suggestion
from cli.options import AsJson, EnvironmentOption, command
from flows._catalogue import Scenario

JSON_KINDS = {"int", "float", "bool", "list", "tuple", "dict", "set"}

app = command(
    "recover",
    "recover canary-failure --environment prod --rehearse",
    "recover canary-failure --environment prod --requested-by jane --reason 'canary 42 fails'",
    "recover canary-failure --environment prod --local to_release=4f2c1d0",
    exits="0 recovered, nothing to do, rehearsed · 1 unexpected · 2 wrong command line · 3 refused, nothing "
    "was changed · 4 not recovered · 5 undo failed · 6 already handled by a live run · 130 interrupted",
)


@app.default
def recover(
    scenario: str,
    *values: str,
    environment: EnvironmentOption,
    rehearse: bool = False,
    local: bool = False,
    requested_by: str | None = None,
    reason: str = "",
    insist: bool = False,
    break_glass: str = "",
    as_json: AsJson = False,
) -> int:
    """Recover an environment, or rehearse it, and watch.

    Args:
        scenario: What goes wrong, as in `backstop scenarios`.
        values: Further parameters of the scenario, as `key=value`.
        environment: Where.
        rehearse: Look, decide, show the plan, and stop: nothing is changed.
        local: Run here, with no Prefect server. One Ctrl-C closes the incident properly.
        requested_by: Who asks. Default: the user of this terminal.
        reason: Why, for the report.
        insist: Act even though every check passes or cannot be judged: for what only a person can see.
        break_glass: Act past approvals and freeze windows, for this reason; it is reviewed afterwards.
        as_json: Print the outcome as JSON, and no progress.
    """
    known = catalogue.scenario(scenario)
    environment = environment_name(environment)
    asked = parameters(known, values)
    request = {
        "requested_by": requested_by if requested_by is not None else getpass.getuser(),
        "reason": reason,
        "insist": insist,
        "break_glass": break_glass,
    }
    if local:
        from cli.recover_local import recover_here

        return recover_here(known, environment, asked, rehearse=rehearse, request=request, as_json=as_json)
    from cli.recover_server import recover_there

    return recover_there(known, environment, asked, rehearse=rehearse, request=request, as_json=as_json)


def parameters(scenario: Scenario, values: tuple[str, ...]) -> dict[str, Any]:
    """The scenario's further parameters from `key=value` words.

    Raises:
        WrongUsage: a word is no `key=value`, a key is unknown, given twice, or missing.
    """
    known = {parameter.name: parameter for parameter in scenario.parameters}
    given: dict[str, Any] = {}
    for word in values:
        key, equals, value = word.partition("=")
        key = key.replace("-", "_")
        if not equals:
            raise WrongUsage(f"{word[:80]!r} is not key=value.", hint=_hint(scenario))
        if key in catalogue.OWN_OPTIONS:
            raise WrongUsage(f"{key} is not given as key=value.", hint=f"Use {catalogue.OWN_OPTIONS[key]}.")
        if key not in known:
            raise WrongUsage(
                f"{scenario.name} has no parameter {key[:80]!r}.{suggestion(key, list(known))}",
                hint=_hint(scenario),
            )
        if key in given:
            raise WrongUsage(f"{key} is given twice.", hint=_hint(scenario))
        given[key] = typed(value, known[key].type)
    missing = [name for name, parameter in known.items() if parameter.required and name not in given]
    if missing:
        raise WrongUsage(
            f"{scenario.name} needs {', '.join(f'{name}=…' for name in missing)}.", hint=_hint(scenario)
        )
    return given


def typed(value: str, annotation: str) -> Any:
    """The value as the annotation wants it: text stays text, JSON is read as JSON."""
    import json

    kinds = {kind.strip().partition("[")[0] for kind in annotation.split("|")}
    if value == "" and "None" in kinds:
        return None
    if not kinds & JSON_KINDS:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _hint(scenario: Scenario) -> str:
    return f"`backstop scenarios {scenario.name}` shows its parameters."
