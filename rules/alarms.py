"""An alarm as any sender tells it, and the readers of the senders' formats, for verified messages only."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from rules.errors import RecoveryRefused
from rules.values import Frozen

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_ARN_REGION = re.compile(r"^arn:aws[a-z-]*:cloudwatch:([a-z0-9-]+):\d{12}:alarm:")
MOST_LABELS = 64
LINE = 256
"""Characters of a name or a label."""
Model = TypeVar("Model", bound=BaseModel)


def printable(text: str) -> str:
    """The text without control characters (PostgreSQL refuses NUL)."""
    return _CONTROL.sub(" ", text)


def _short(text: str) -> str:
    return printable(text)[:1000]


Line = Annotated[str, Field(max_length=LINE), AfterValidator(printable)]
"""A name or a label, without control characters."""
Prose = Annotated[str, AfterValidator(_short)]
"""Free text: cut after 1,000 characters."""
Labels = Annotated[dict[Line, Line], Field(max_length=MOST_LABELS)]


class AlarmStatus(StrEnum):
    """What an alarm says. Unknown (INSUFFICIENT_DATA) is neither green nor a reason to act."""

    ALARM = "alarm"
    OK = "ok"
    UNKNOWN = "unknown"


class Alarm(Frozen):
    """One alarm delivery. `external_id` is the sender's name of it: the same one twice is a replay."""

    source: str
    external_id: Annotated[str, Field(min_length=1, max_length=200)]
    name: Line
    status: AlarmStatus
    occurred_at: datetime
    account: str = ""
    region: str = ""
    summary: Prose = ""
    labels: Labels = {}


class _Sent(BaseModel):
    """A sender's own document: keys that we do not know are theirs to add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Dimension(_Sent):
    name: Line
    value: Line


class _Trigger(_Sent):
    metric: Line = Field("", alias="MetricName")
    namespace: Line = Field("", alias="Namespace")
    dimensions: tuple[_Dimension, ...] = Field((), alias="Dimensions", max_length=MOST_LABELS - 2)


class CloudWatchAlarm(_Sent):
    """What CloudWatch publishes for a metric alarm (with `Trigger`) or a composite one (with `AlarmRule`)."""

    name: Line = Field(alias="AlarmName", min_length=1)
    arn: str = Field("", alias="AlarmArn", max_length=500)
    account: str = Field(alias="AWSAccountId", pattern=r"^\d{12}$")
    state: Literal["ALARM", "OK", "INSUFFICIENT_DATA"] = Field(alias="NewStateValue")
    reason: Prose = Field("", alias="NewStateReason")
    changed_at: AwareDatetime = Field(alias="StateChangeTime")
    trigger: _Trigger | None = Field(None, alias="Trigger")
    rule: Prose = Field("", alias="AlarmRule")

    @property
    def region(self) -> str:
        """The region's code. `Region` in the message is a display name ("EU (Ireland)"), the ARN is exact."""
        found = _ARN_REGION.match(self.arn)
        return found[1] if found else ""

    @property
    def labels(self) -> dict[str, str]:
        """Dimensions by their names, with `metric` and `namespace`; for a composite alarm its `kind`."""
        if self.trigger is None:
            return {"kind": "composite"} if self.rule else {}
        told = {"metric": self.trigger.metric, "namespace": self.trigger.namespace}
        return {d.name: d.value for d in self.trigger.dimensions} | {k: v for k, v in told.items() if v}


class _Alert(_Sent):
    status: Literal["firing", "resolved"]
    labels: Labels
    annotations: dict[str, Prose] = {}
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime | None = Field(None, alias="endsAt")
    fingerprint: str = Field("", max_length=64)


class AlertmanagerDelivery(_Sent):
    """Alertmanager's webhook body, version 4: a group of alerts."""

    version: Literal["4"]
    alerts: tuple[_Alert, ...] = Field(min_length=1, max_length=500)


class GenericAlarm(Frozen):
    """The shape for senders without a format of their own; a misspelt key is refused."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    name: Annotated[Line, Field(min_length=1)]
    status: AlarmStatus = AlarmStatus.ALARM
    occurred_at: AwareDatetime
    account: str = Field("", pattern=r"^(\d{12})?$")
    region: str = Field("", pattern=r"^[a-z0-9-]{0,32}$")
    summary: Prose = ""
    labels: Labels = {}


_STATES = {"ALARM": AlarmStatus.ALARM, "OK": AlarmStatus.OK, "INSUFFICIENT_DATA": AlarmStatus.UNKNOWN}


def from_cloudwatch(text: str | bytes, *, source: str, external_id: str = "") -> Alarm:
    """Read CloudWatch's alarm JSON. Without an `external_id` the state change itself names the delivery.

    Raises:
        RecoveryRefused: it is not such a message.
    """
    told = read(CloudWatchAlarm, text)
    changed = told.changed_at.astimezone(UTC)
    return Alarm(
        source=source,
        external_id=external_id
        or _digest(told.account, told.arn or told.name, told.state, changed.isoformat()),
        name=told.name,
        status=_STATES[told.state],
        occurred_at=changed,
        account=told.account,
        region=told.region,
        summary=told.reason,
        labels=told.labels,
    )


def from_alertmanager(text: str | bytes, *, source: str) -> tuple[Alarm, ...]:
    """Read a group of alerts. Alertmanager repeats what still fires: a repetition has the same external id.

    Raises:
        RecoveryRefused: it is not Alertmanager's version 4.
    """
    alarms = []
    for alert in read(AlertmanagerDelivery, text).alerts:
        firing = alert.status == "firing"
        at = alert.starts_at if firing else alert.ends_at or alert.starts_at
        named = alert.fingerprint or _digest(*(f"{k}={v}" for k, v in sorted(alert.labels.items())))
        alarms.append(
            Alarm(
                source=source,
                external_id=f"{named}:{alert.status}:{at.astimezone(UTC).isoformat()}",
                name=alert.labels.get("alertname", "unnamed"),
                status=AlarmStatus.ALARM if firing else AlarmStatus.OK,
                occurred_at=at.astimezone(UTC),
                account=alert.labels.get("account", ""),
                region=alert.labels.get("region", ""),
                summary=alert.annotations.get("summary") or alert.annotations.get("description", ""),
                labels=alert.labels,
            )
        )
    return tuple(alarms)


def from_generic(text: str | bytes, *, source: str) -> Alarm:
    """Read the generic shape (`GenericAlarm`).

    Raises:
        RecoveryRefused: a key is missing, misspelt or of the wrong type.
    """
    told = read(GenericAlarm, text)
    return Alarm(
        source=source,
        external_id=told.id,
        occurred_at=told.occurred_at.astimezone(UTC),
        **told.model_dump(exclude={"id", "occurred_at"}),
    )


def read(model: type[Model], text: str | bytes) -> Model:
    """Read a sender's document.

    Raises:
        RecoveryRefused: it is not JSON, or not of that shape.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise RecoveryRefused(
            f"The message is not a {model.__name__}: {first_fault(error)}.",
            hint="The formats are described in webhooks/README.md.",
        ) from error


def first_fault(error: ValidationError) -> str:
    """The first thing wrong, without the value that was sent: it may be a secret or an attack."""
    fault: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]
