"""Confirming an SNS subscription: through SNS's API with our own credentials, never by visiting a link."""

from __future__ import annotations

import asyncio

from rules.errors import BackstopError
from webhooks.gate import Refusal
from webhooks.sns_signatures import SnsMessage


class Confirmer:
    """Confirms subscriptions to topics that were verified as allowed. `endpoint_url` is empty for AWS."""

    def __init__(self, *, enabled: bool, endpoint_url: str) -> None:
        self._enabled = enabled
        self._endpoint_url = endpoint_url

    async def confirm(self, message: SnsMessage) -> str:
        """Confirm, and return in a sentence what was done. Repeating it changes nothing.

        Only somebody with AWS credentials can then unsubscribe us.

        Permissions: sns:ConfirmSubscription

        Raises:
            Refusal: 503, SNS could not be asked; it sends the confirmation again.
        """
        if not self._enabled:
            return "not confirmed: BACKSTOP_WEBHOOK_CONFIRM_SUBSCRIPTIONS is off"
        try:
            arn = await asyncio.to_thread(self._call, message)
        except BackstopError as error:
            raise Refusal(
                503,
                f"The subscription could not be confirmed: {error.message}",
                hint=error.hint or "It needs AWS credentials with sns:ConfirmSubscription.",
                reason="confirmation",
                retry_after=20,
            ) from error
        return f"confirmed as {arn}"

    def _call(self, message: SnsMessage) -> str:
        import boto3  # half a second that only this path needs

        from blocks.aws_errors import translated

        with translated("confirm the SNS subscription"):
            client = boto3.client("sns", region_name=message.region, endpoint_url=self._endpoint_url or None)
            answer = client.confirm_subscription(
                TopicArn=message.TopicArn, Token=message.Token or "", AuthenticateOnUnsubscribe="true"
            )
            return str(answer["SubscriptionArn"])
