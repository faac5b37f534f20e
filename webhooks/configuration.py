"""The routes file: which topics and senders may speak, what their alarms start, who is told if that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from blocks.secret_reference import SecretReference
from rules.alarms import first_fault
from rules.errors import RecoveryRefused
from rules.triggers import AlarmRoutes
from rules.values import Frozen

TopicArn = Annotated[
    str, Field(pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$")
]
SenderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,38}$")]


class Sender(Frozen):
    """One token-authenticated sender. Its token is kept elsewhere; `format` says how its body reads."""

    format: Literal["alertmanager", "cloudwatch", "generic"]
    token: SecretReference


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


def load_configuration(path: Path) -> Configuration:
    """Read and check the routes file.

    Raises:
        RecoveryRefused: it is missing, not YAML, or has a key or value that is not understood; says which.
    """
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Configuration.model_validate({} if told is None else told)
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
