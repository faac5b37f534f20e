"""The receiver: four addresses, and the tasks behind them.

POST /alarms/sns        signed by SNS
POST /alarms/{source}   senders with a token, or GitHub, which signs with it
GET  /health            what works and what does not, each by itself
GET  /metrics           for Prometheus
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flows._alarm_routes import Configuration, load_configuration
from ledger.alarms import prove_writable
from ledger.database import Ledger, open_ledger
from rules.errors import RecoveryRefused
from webhooks.certificates import CertificateStore
from webhooks.dispatcher import Dispatcher, utc_now
from webhooks.gate import Gate, Refusal
from webhooks.inbox import Inbox
from webhooks.intake import Intake
from webhooks.metrics import Figures
from webhooks.paging import Pager
from webhooks.prefect_api import PrefectApi
from webhooks.settings import WebhookSettings
from webhooks.sns_signatures import SnsVerifier
from webhooks.subscriptions import Confirmer

STUCK = timedelta(seconds=60)
"""A dispatcher that has not come round for so long is not alive."""


def create_app(
    settings: WebhookSettings | None = None,
    *,
    ledger: Ledger | None = None,
    configuration: Configuration | None = None,
    prefect: PrefectApi | None = None,
    now: Callable[[], datetime] = utc_now,
) -> FastAPI:
    """Put the receiver together. What is not given is read from the settings.

    Raises:
        RecoveryRefused: the routes file is wrong, or the ledger cannot be opened.
    """
    settings = settings or WebhookSettings()
    configuration = configuration or load_configuration(settings.routes)
    ledger = ledger or open_ledger()
    figures = Figures(ledger)
    certificates = CertificateStore(
        monotonic=time.monotonic, further_host=settings.certificate_host, further_ca=settings.certificate_ca
    )
    verifier = SnsVerifier(
        topics=configuration.topics,
        certificates=certificates,
        window=timedelta(seconds=settings.window_seconds),
        require_version_2=settings.require_signature_v2,
    )
    confirmer = Confirmer(enabled=settings.confirm_subscriptions, endpoint_url=settings.sns_endpoint_url)
    api = prefect or PrefectApi(settings.prefect_api_url, settings.prefect_api_auth.get_secret_value())
    dispatcher = Dispatcher(
        ledger,
        api,
        Pager(configuration.pages),
        figures,
        cooldown=timedelta(seconds=configuration.cooldown_seconds),
        sweep_seconds=settings.sweep_seconds,
        page_after=timedelta(seconds=settings.page_after_seconds),
        now=now,
    )
    inbox = Inbox(ledger, dispatcher.wake)
    intake = Intake(configuration, verifier, confirmer, inbox, figures, now)
    tasks: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks["inbox"] = asyncio.create_task(inbox.run())
        tasks["dispatcher"] = asyncio.create_task(dispatcher.run())
        try:
            yield
        finally:  # first what was answered goes to disk, then the turn under way ends
            inbox.stop()
            await tasks["inbox"]
            dispatcher.stop()
            await tasks["dispatcher"]
            await api.close()

    async def take_sns(request: Request) -> Response:
        return await intake.from_sns(await request.body())

    async def take_sender(request: Request) -> Response:
        source = str(request.path_params["source"])
        return await intake.from_sender(source, request.headers, await request.body())

    app = FastAPI(
        title="Backstop alarms",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # Plain routes: the bytes are what was signed, so there is nothing for FastAPI to parse, at a third of the cost.
        routes=[
            Route("/alarms/sns", take_sns, methods=["POST"]),
            Route("/alarms/{source}", take_sender, methods=["POST"]),
        ],
    )

    def refused(path: str, refusal: Refusal) -> None:
        source = path.removeprefix("/alarms/")
        known = source if source == "sns" or source in configuration.senders else "other"
        figures.deliveries.labels(known, f"refused-{refusal.reason}").inc()

    @app.exception_handler(Refusal)
    async def _refuse(request: Request, refusal: Refusal) -> Response:
        refused(request.url.path, refusal)
        return refusal.response()

    @app.get("/health")
    async def _health() -> Response:
        working, reachable = await asyncio.gather(
            asyncio.to_thread(_ledger_fault, ledger, inbox), api.is_reachable()
        )
        task = tasks["dispatcher"]
        dispatching = not task.done() and now() - dispatcher.turned_at < STUCK
        able = not working and dispatching
        told = {
            "status": "ok" if able and reachable else "degraded" if able else "down",
            "ledger": working or "writable",
            "dispatcher": "alive" if dispatching else "dead",
            "prefect": "reachable" if reachable else "not reachable: alarms are stored and wait",
        }
        return JSONResponse(told, 200 if able else 503)

    @app.get("/metrics")
    async def _metrics() -> Response:
        return Response(await asyncio.to_thread(figures.page), media_type="text/plain; version=0.0.4")

    app.add_middleware(
        Gate,
        body_limit=settings.body_limit,
        body_seconds=settings.body_seconds,
        requests_per_minute=settings.requests_per_minute,
        refused=refused,
    )
    return app


def _ledger_fault(ledger: Ledger, inbox: Inbox) -> str:
    """What is wrong with the ledger; empty when it can be written and the last deliveries were stored."""
    try:
        prove_writable(ledger)
    except RecoveryRefused as error:
        return error.message
    return "" if inbox.writable else "the last deliveries could not be stored"
