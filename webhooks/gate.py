"""What every request passes before anything of it is read: limits of rate, size and time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Refusal(Exception):
    """A request that is not taken. `retry_after` (seconds) goes with a 503: deliver it again then."""

    def __init__(self, status: int, error: str, *, hint: str, reason: str, retry_after: int = 0) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.hint = hint
        self.reason = reason  # one word for the metric
        self.retry_after = retry_after

    def response(self) -> Response:
        """The answer: `{error, hint}`."""
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else None
        content = json.dumps({"error": self.error, "hint": self.hint})
        return Response(content, self.status, headers, media_type="application/json")


class Rate:
    """At most so many requests from one address in a minute.

    A dozen lines instead of the `limits` package: its memory storage starts a thread or a task with nearly every
    request, which took a third of a delivery's time.
    """

    def __init__(self, most: int, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._ends_at = 0.0
        self._taken: dict[str, int] = {}

    def take(self, address: str) -> bool:
        """Count one request; whether it is within the limit."""
        now = self._monotonic()
        if now >= self._ends_at:  # every count starts anew, so that what is remembered stays small
            self._taken, self._ends_at = {}, now + 60.0
        taken = self._taken[address] = self._taken.get(address, 0) + 1
        return taken <= self._most

    @property
    def seconds_left(self) -> int:
        """Until the minute is over."""
        return max(1, round(self._ends_at - self._monotonic()))


class Gate:
    """Pure ASGI middleware: reads the whole body of a POST, within the limits, before the application does.

    Refused for its rate is answered 503, not 429: SNS and Alertmanager deliver again after a 5xx only, and a
    storm must not cost an alarm.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_limit: int,
        body_seconds: float,
        requests_per_minute: int,
        refused: Callable[[str, Refusal], None],
    ) -> None:
        self._app = app
        self._body_limit = body_limit
        self._body_seconds = body_seconds
        self._rate = Rate(requests_per_minute, time.monotonic)
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            self._check_rate(scope)
            body = await self._read(scope, receive)
        except Refusal as refusal:
            self._refused(scope["path"], refusal)
            await refusal.response()(scope, receive, send)
            return
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    def _check_rate(self, scope: Scope) -> None:
        client = scope.get("client")
        if not self._rate.take(client[0] if client else ""):
            raise Refusal(
                503,
                "Too many requests from this address.",
                hint="Deliver again later. BACKSTOP_WEBHOOK_REQUESTS_PER_MINUTE is the limit.",
                reason="rate",
                retry_after=self._rate.seconds_left,
            )

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > self._body_limit):
                raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > self._body_limit:
                        raise self._too_large()
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        except TimeoutError:
            raise Refusal(
                408,
                f"The body did not arrive within {self._body_seconds:g} s.",
                hint="Send it at once.",
                reason="slow",
            ) from None

    def _too_large(self) -> Refusal:
        return Refusal(
            413,
            f"The body is larger than {self._body_limit} bytes.",
            hint="SNS sends at most 256 KiB; group fewer alerts in one delivery.",
            reason="size",
        )


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    told = False

    async def replayed() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
