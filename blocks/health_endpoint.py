"""An address that says whether a service is healthy."""

from __future__ import annotations

from pydantic import Field, model_validator

from blocks.secret_reference import SecretReference
from rules.names import FunctionName
from rules.values import Frozen


class HealthEndpoint(Frozen):
    """One address that says whether the service is healthy, and which release answers."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$", title="Name")
    function: FunctionName | None = Field(
        default=None,
        title="Function",
        description="The function whose URL is called when no address is given.",
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@]{1,400}$",
        title="Address",
        description="Without the path; no user name in it.",
    )
    path: str = Field(default="/health", pattern=r"^/[^\s#]{0,200}$", title="Path")
    header: str = Field(
        default="X-API-Key", pattern=r"^[A-Za-z0-9-]{1,64}$", title="Header that carries the key"
    )
    key: SecretReference | None = Field(
        default=None, title="Key", description="Where the key is kept; empty: none is sent."
    )
    status_field: str = Field(default="status", title="Field of the answer that says how it is")
    healthy: str = Field(default="healthy", title="What that field says when all is well")
    release_field: str | None = Field(
        default="release",
        title="Field of the answer that names the release",
        description="Empty: it names none.",
    )
    timeout_seconds: float = Field(default=5.0, gt=0, le=60, title="Longest wait for an answer, in seconds")

    @model_validator(mode="after")
    def _has_an_address(self) -> HealthEndpoint:
        if not self.url and not self.function:
            raise ValueError("a health endpoint needs `url`, or the `function` whose URL is called")
        return self
