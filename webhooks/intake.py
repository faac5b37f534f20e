"""What becomes of one delivery: prove it, read it, route it, keep it. It is answered after the commit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from starlette.responses import Response

from flows._alarm_intake import routed
from flows._alarm_routes import Configuration
from ledger.alarms import NewAlarm, new_id
from rules.alarms import Alarm, from_alertmanager, from_cloudwatch, from_generic
from rules.errors import RecoveryRefused
from rules.github_events import from_github
from rules.redaction import redact
from webhooks.gate import Refusal
from webhooks.inbox import Inbox
from webhooks.metrics import Figures
from webhooks.senders import proven
from webhooks.sns_signatures import SnsMessage, SnsVerifier
from webhooks.subscriptions import Confirmer


class Intake:
    """Takes deliveries in. `now` is the clock, in UTC."""

    def __init__(
        self,
        configuration: Configuration,
        verifier: SnsVerifier,
        confirmer: Confirmer,
        inbox: Inbox,
        figures: Figures,
        now: Callable[[], datetime],
    ) -> None:
        self._configuration = configuration
        self._verifier = verifier
        self._confirmer = confirmer
        self._inbox = inbox
        self._figures = figures
        self._now = now

    async def from_sns(self, body: bytes) -> Response:
        """Take one SNS message.

        Raises:
            Refusal: it is not proven to be SNS's, for us and fresh, or could not be stored.
        """
        now = self._now()
        message = await self._verifier.verify(body, now)
        if message.Type == "Notification":
            return await self._keep("sns", [self._notification(message, now)])
        if message.Type == "SubscriptionConfirmation":
            done = await self._confirmer.confirm(message)
        else:
            done = "somebody unsubscribed this address; that is only recorded"
        return await self._keep("sns", [self._unread(message, now, message.Type, done)])

    async def from_sender(self, name: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Take one delivery of a sender that proves itself by its token or a signature made with it.

        Raises:
            Refusal: that is wrong, the body is not what this sender sends, or it could not be stored.
        """
        sender = await proven(self._configuration.senders.get(name), headers, body)
        now = self._now()
        try:
            if sender.format == "github":
                event, delivery = headers.get("x-github-event", ""), headers.get("x-github-delivery", "")
                alarms = [from_github(body, event=event, delivery=delivery, source=name, now=now)]
            else:
                alarms = list(_READERS[sender.format](body, name))
        except RecoveryRefused as error:
            raise Refusal(400, error.message, hint=error.hint, reason="shape") from None
        return await self._keep(name, [routed(alarm, self._configuration, now) for alarm in alarms])

    def _notification(self, message: SnsMessage, now: datetime) -> NewAlarm:
        try:
            alarm = from_cloudwatch(message.Message, source="sns", external_id=message.MessageId)
        except RecoveryRefused as error:
            return self._unread(message, now, "not an alarm", error.message)
        return routed(alarm, self._configuration, now)

    def _unread(self, message: SnsMessage, now: datetime, what: str, reason: str) -> NewAlarm:
        return NewAlarm(
            id=new_id(now),
            source="sns",
            external_id=message.MessageId,
            received_at=now,
            occurred_at=message.sent_at,
            name=what,
            status="unknown",
            state="ignored",
            body={"topic": message.TopicArn, "subject": redact(message.Subject or "")},
            error=redact(reason),
        )

    async def _keep(self, source: str, new: Sequence[NewAlarm]) -> Response:
        kept = await self._inbox.keep(new)
        told = []
        for alarm in new:
            result = alarm.state if alarm.id in kept else "repeated"
            self._figures.deliveries.labels(source, result).inc()
            told.append({"id": alarm.id, "result": result, "reason": alarm.error})
        return Response(json.dumps({"alarms": told}), media_type="application/json")


_READERS: dict[str, Callable[[bytes, str], Sequence[Alarm]]] = {
    "alertmanager": lambda body, source: from_alertmanager(body, source=source),
    "cloudwatch": lambda body, source: (from_cloudwatch(body, source=source),),
    "generic": lambda body, source: (from_generic(body, source=source),),
}
