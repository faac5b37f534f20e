"""The Prefect server, where there is one: asked briefly, and never waited for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, PREFECT_UI_URL, temporary_settings

PATIENCE_SECONDS = 5.0
"""For one answer of the server."""


@contextmanager
def prefect_server(retries: int = 2) -> Iterator[SyncPrefectClient | None]:
    """A client of the server this process is pointed at, or None when it is pointed at none."""
    if not PREFECT_API_URL.value() and FlowRunContext.get() is None:
        yield None  # asking would start a server of Prefect's own, which takes ten seconds
        return
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: retries}),
        get_client(sync_client=True, httpx_settings={"timeout": PATIENCE_SECONDS}) as client,
    ):
        yield client


def run_address(flow_run_id: str | None) -> str:
    """Where a flow run is seen in the Prefect UI; empty when there is none."""
    ui = PREFECT_UI_URL.value() or str(PREFECT_API_URL.value() or "").removesuffix("/").removesuffix("/api")
    return f"{ui}/runs/flow-run/{flow_run_id}" if ui and flow_run_id else ""
