"""Where this installation keeps its things, read from BACKSTOP_* environment variables."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """One installation's settings. An empty variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix="BACKSTOP_", env_ignore_empty=True, frozen=True)

    home: Path = Field(
        default_factory=lambda: Path.home() / ".local/state/backstop",
        description="Folder of the embedded ledger, reports and Terraform working directories.",
    )
    ledger_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in `home`.")
    environments: Path = Field(
        default=Path("deployments/environments"), description="Folder of the environment files."
    )
    alarm_routes: Path = Field(
        default=Path("deployments/alarm_routes.yaml"),
        validation_alias="BACKSTOP_WEBHOOK_ROUTES",
        description="The routes file, as the webhook receiver knows it.",
    )
    delay_scale: float = Field(
        default=1.0, gt=0, le=10, description="Factor on every period and pause; tests make it small."
    )
    lease_seconds: float = Field(default=30.0, ge=1, description="How long a lease lives without renewal.")
    lease_wait_seconds: float = Field(
        default=300.0, ge=0, description="How long an incident waits for another one's lease."
    )
    approval_seconds: float = Field(
        default=900.0, gt=0, description="How long a plan waits for a person before it counts as refused."
    )

    @property
    def ledger_address(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.ledger_url or f"sqlite:///{self.home / 'ledger.db'}"


@cache
def settings() -> Settings:
    """The settings, read once per process. Tests call `settings.cache_clear()` after changing the environment."""
    return Settings()
