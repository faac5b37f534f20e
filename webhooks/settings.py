"""The receiver's settings, read from BACKSTOP_WEBHOOK_* variables or its command line."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, CliSuppress, SettingsConfigDict

_HOST_AND_PORT = re.compile(r"^[A-Za-z0-9.-]{1,253}:\d{1,5}$")


class WebhookSettings(BaseSettings):
    """How alarms are taken in. What starts what is in the routes file, not here."""

    model_config = SettingsConfigDict(
        env_prefix="BACKSTOP_WEBHOOK_",
        env_ignore_empty=True,
        frozen=True,
        populate_by_name=True,
        cli_kebab_case=True,
        cli_implicit_flags=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8081, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    routes: Path = Field(Path("deployments/alarm_routes.yaml"), description="The routes file.")
    trusted_proxies: str = Field(
        "", description="Addresses of reverse proxies whose X-Forwarded-For is believed, with commas between."
    )
    body_limit: int = Field(262_144, ge=1024, description="Largest request body in bytes.")
    body_seconds: float = Field(10.0, gt=0, description="How long a request body may take to arrive.")
    requests_per_minute: int = Field(6_000, ge=1, description="Requests taken from one address in a minute.")
    window_seconds: float = Field(
        3_600.0, gt=0, description="How old an SNS message may be; SNS itself tries for one hour."
    )
    require_signature_v2: bool = Field(
        default=False, description="Refuse SNS messages that are signed the older way, with SHA-1."
    )
    certificate_host: str = Field(
        "",
        description="host:port of a further host of SNS certificates. For the sandbox and tests only.",
    )
    certificate_ca: Path | None = Field(None, description="CA bundle to trust for that host.")
    confirm_subscriptions: bool = Field(
        default=True, description="Confirm subscriptions to allowed topics through the SNS API."
    )
    sns_endpoint_url: str = Field("", description="Another address of the SNS API; empty: AWS.")
    prefect_api_url: str = Field(
        "http://127.0.0.1:4200/api",
        validation_alias="PREFECT_API_URL",
        description="Where Prefect's API is; the variable is Prefect's own, PREFECT_API_URL.",
    )
    prefect_api_auth: CliSuppress[SecretStr] = Field(
        SecretStr(""),
        validation_alias="PREFECT_API_AUTH_STRING",
        description="user:password of Prefect's API. From the environment only: a command line is no secret.",
    )
    sweep_seconds: float = Field(
        5.0, gt=0, description="How often the ledger is looked through for alarms that another receiver left."
    )
    page_after_seconds: float = Field(
        60.0, gt=0, description="An alarm that waits longer than this for its flow run pages people."
    )

    @model_validator(mode="after")
    def _further_host_is_complete(self) -> WebhookSettings:
        if self.certificate_host and not _HOST_AND_PORT.match(self.certificate_host):
            raise ValueError("certificate_host must be host:port")
        if bool(self.certificate_host) != bool(self.certificate_ca):
            raise ValueError("certificate_host and certificate_ca belong together: set both or neither")
        return self
