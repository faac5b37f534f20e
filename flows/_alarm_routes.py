"""The routes file: which topics and senders may speak, what their alarms start, who is told if that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from blocks.secret_reference import SecretReference
from flows._catalogue import scenarios
from rules.alarms import first_fault
from rules.errors import RecoveryRefused
from rules.github_events import LABELS
from rules.triggers import AlarmRoutes, Route
from rules.values import Frozen

TopicArn = Annotated[
    str, Field(pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$")
]
SenderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,38}$")]


class Sender(Frozen):
    """One sender and where its token is kept; `format` says how its body reads.

    GitHub does not send the token, it signs with it: there it is called the webhook's secret. An Alertmanager with
    an address to `ask` is asked for what fires there, too, so that a delivery that was lost is not missed.
    """

    format: Literal["alertmanager", "cloudwatch", "generic", "github"]
    token: SecretReference
    ask: str = Field(default="", pattern=r"^(https?://[A-Za-z0-9.:\[\]/_-]{1,200})?$")
    ask_token: SecretReference | None = None

    @model_validator(mode="after")
    def _can_be_asked(self) -> Sender:
        if self.ask and self.format != "alertmanager":
            raise ValueError("only a sender of the format `alertmanager` can be asked")
        return self


class Configuration(AlarmRoutes):
    """The whole file. Without topics every SNS message is refused, without senders every other one."""

    topics: tuple[TopicArn, ...] = ()
    senders: dict[SenderName, Sender] = {}
    pages: tuple[SecretReference, ...] = ()
    """Apprise URLs of who is told when an alarm could not be turned into a flow run."""

    @field_validator("senders")
    @classmethod
    def _names_are_free(cls, senders: dict[str, Sender]) -> dict[str, Sender]:
        if "sns" in senders:
            raise ValueError("`sns` is the name of the SNS endpoint, which needs no token: use another name")
        return senders

    @model_validator(mode="after")
    def _github_routes_fit(self) -> Configuration:
        """A webhook may be an organization's: each route says which repository it means."""
        github = {name for name, sender in self.senders.items() if sender.format == "github"}
        for route in self.routes:
            if route.source not in github:
                continue
            if "repository" not in route.labels:
                raise ValueError(
                    f"the route for {route.alarm!r} needs the label `repository`: whose failure is meant"
                )
            unknown = ({*route.labels, *route.handed_on.values()}) - LABELS
            if unknown:
                raise ValueError(
                    f"the route for {route.alarm!r} names the label {min(unknown)!r}, which GitHub's alarms do not "
                    f"have (they have: {', '.join(sorted(LABELS))})"
                )
        return self


def load_configuration(path: Path) -> Configuration:
    """Read and check the routes file.

    Raises:
        RecoveryRefused: it is missing, not YAML, has a key or value that is not understood, or starts what there
            is not; says which.
    """
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        configuration = Configuration.model_validate({} if told is None else told)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RecoveryRefused(
            f"The routes file {path} cannot be read: {reason}.",
            hint="Set BACKSTOP_WEBHOOK_ROUTES, or start from deployments/alarm_routes.yaml.",
        ) from error
    except yaml.YAMLError as error:
        fault = str(error).replace("\n", " ")
        raise RecoveryRefused(
            f"The routes file {path} is not YAML: {fault}.", hint="Check its indentation."
        ) from error
    except ValidationError as error:
        raise RecoveryRefused(
            f"The routes file {path} is wrong. {first_fault(error)}.",
            hint="deployments/alarm_routes.yaml shows every key.",
        ) from error
    for route in configuration.routes:
        _refuse_what_no_scenario_takes(path, route)
    return configuration


def _refuse_what_no_scenario_takes(path: Path, route: Route) -> None:
    """Prefect would say so at the alarm: too late."""
    known = {scenario.name: scenario for scenario in scenarios()}
    told = f"The routes file {path} is wrong. The route for {route.alarm!r}"
    if route.scenario not in known:
        raise RecoveryRefused(
            f"{told} starts the scenario {route.scenario!r}, which does not exist.",
            hint="`backstop scenarios` lists them.",
        )
    takes = known[route.scenario].parameters
    hint = f"`backstop scenarios {route.scenario}` shows its parameters."
    if unknown := route.parameters.keys() - {parameter.name for parameter in takes}:
        raise RecoveryRefused(
            f"{told} gives {route.scenario} the unknown parameter {min(unknown)!r}.", hint=hint
        )
    if missing := [one.name for one in takes if one.required and one.name not in route.parameters]:
        raise RecoveryRefused(
            f"{told} does not give {route.scenario} its parameter {missing[0]!r}.", hint=hint
        )
