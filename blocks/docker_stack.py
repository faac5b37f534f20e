"""A stack of containers on one Docker engine: what belongs to it, and what proves it healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from blocks.backup_store import BackupStore
from blocks.docker_host import DockerHost
from blocks.health_endpoint import HealthEndpoint
from blocks.secret_reference import SecretReference
from blocks.strict_block import StrictBlock
from rules.names import ProjectName, ServiceName
from rules.values import Frozen

if TYPE_CHECKING:
    from redis import Redis

    from blocks.aws_account import AwsAccount

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s@]{1,400}$")]
HostPath = Annotated[str, StringConstraints(pattern=r"^[/~][^\x00\n]{0,400}$")]
KeyPrefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:{}/-]{1,100}$")]
KeyPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:{}/-]{1,200}$")]


class RedisService(Frozen):
    """The stack's Redis: where it answers, and which keys count."""

    service: ServiceName = Field(default="redis", title="Service")
    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9.:-]{1,200}$", title="Host")
    port: int = Field(default=6379, ge=1, le=65535, title="Port")
    username: str | None = Field(
        default=None, pattern=r"^[^\s]{1,100}$", title="User", description="Empty: the default user."
    )
    password: SecretReference | None = Field(
        default=None, title="Password", description="Where it is kept; empty: none."
    )
    key_prefixes: list[KeyPrefix] = Field(
        default_factory=lambda: ["aws_masker:"],
        title="Prefixes of the keys that count",
        description="Keys are counted under each; a recovery compares the counts with the backup's.",
    )
    timeout_seconds: float = Field(default=5.0, gt=0, le=120, title="Longest wait for an answer, in seconds")

    def client(self, account: AwsAccount | None = None, *, timeout_seconds: float | None = None) -> Redis:
        """A connection of its own; the caller closes it. It never repeats a command by itself.

        Raises:
            StepFailed: the password cannot be read.
        """
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        password = self.password.read(account).get_secret_value() if self.password else None
        seconds = timeout_seconds or self.timeout_seconds
        return redis.Redis(
            host=self.host,
            port=self.port,
            username=self.username,
            password=password,
            decode_responses=True,
            # A key that is no text is still a key.
            encoding_errors="backslashreplace",
            socket_timeout=seconds,
            socket_connect_timeout=min(seconds, 3.0),
            retry=Retry(NoBackoff(), 0),
        )


class Gateway(Frozen):
    """The stack's gateway: its admin API and its declarative file."""

    service: ServiceName = Field(default="kong", title="Service")
    admin_url: Url = Field(
        title="Address of the admin API", description="For instance http://127.0.0.1:8001."
    )
    proxy_url: Url = Field(title="Address of the proxy", description="For instance http://127.0.0.1:8000.")
    declarative_file: HostPath | None = Field(
        default=None, title="Declarative file", description="On the host, for instance /srv/masking/kong.yml."
    )


class MaskingCheck(Frozen):
    """A request through the whole stack that shows whether identifiers are masked and come back."""

    url: Url = Field(
        title="Address", description="Where requests come in, for instance http://127.0.0.1:8085/."
    )
    body: str = Field(
        default="{identifier}",
        max_length=2000,
        title="Body",
        description="{identifier} stands for a made-up instance id, which the answer must contain again.",
    )
    header: str = Field(
        default="X-API-Key", pattern=r"^[A-Za-z0-9-]{1,64}$", title="Header that carries the key"
    )
    key: SecretReference | None = Field(
        default=None, title="Key", description="Where it is kept; empty: none is sent."
    )
    mapping_key: KeyPattern = Field(
        default="aws_masker:rev:{identifier}",
        title="Mapping in Redis",
        description="The key under which the mask of {identifier} is kept.",
    )
    reverse_key: KeyPattern = Field(
        default="aws_masker:map:{mask}",
        title="Mapping back",
        description="The key under which {mask} is looked up.",
    )
    timeout_seconds: float = Field(default=10.0, gt=0, le=120, title="Longest wait for an answer, in seconds")

    @model_validator(mode="after")
    def _names_what_it_means(self) -> MaskingCheck:
        wanted = {self.body: "{identifier}", self.mapping_key: "{identifier}", self.reverse_key: "{mask}"}
        for text, placeholder in wanted.items():
            if placeholder not in text:
                raise ValueError(f"a masking check needs {placeholder} in {text!r}")
        return self


class DockerStackPlatform(StrictBlock):
    """A stack of containers, told from all others by its Compose project."""

    _block_type_name = "Docker stack platform (Backstop)"
    _block_type_slug = "backstop-docker-stack-platform"
    _description = (
        "A Compose project on a Docker engine: its Redis, gateway and backups, and what proves it healthy."
    )

    kind: Literal["docker_stack"] = Field(default="docker_stack", title="Kind of platform")
    host: DockerHost = Field(default_factory=DockerHost, title="Docker host")
    project: ProjectName = Field(
        title="Compose project",
        description="Only containers, networks and volumes with its label are touched.",
    )
    services: Annotated[list[ServiceName], Field(min_length=1)] = Field(
        title="Services", description="Those that must run."
    )
    config_file: HostPath = Field(
        title="Configuration",
        description="The env file of the containers, for instance /srv/masking/config.env.",
    )
    redis: RedisService = Field(default_factory=RedisService, title="Redis")
    gateway: Gateway | None = Field(default=None, title="Gateway")
    masking: MaskingCheck | None = Field(default=None, title="Masking check")
    health: list[HealthEndpoint] = Field(default_factory=list, title="Health endpoints")
    backups: BackupStore = Field(title="Backups")
    rpo_seconds: float = Field(
        default=300.0,
        gt=0,
        title="Longest loss of data, in seconds",
        description="The recovery point objective: a restore point older than that is told as a loss.",
    )
    health_passes: int = Field(
        default=3,
        ge=1,
        le=50,
        title="Healthy answers in a row",
        description="That many prove an endpoint healthy.",
    )
    health_interval_seconds: float = Field(default=1.0, gt=0, le=60, title="Seconds between two looks")
    verify_timeout_seconds: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        title="Longest verification, in seconds",
        description="Then the next way is tried.",
    )

    @model_validator(mode="after")
    def _names_its_own_services(self) -> DockerStackPlatform:
        if len(set(self.services)) != len(self.services):
            raise ValueError("a service is named twice")
        named = [self.redis.service, *([self.gateway.service] if self.gateway else [])]
        if unknown := [name for name in named if name not in self.services]:
            raise ValueError(f"the service `{unknown[0]}` is not among `services`")
        if any(endpoint.function for endpoint in self.health):
            raise ValueError("a health endpoint of a Docker stack needs `url`: it has no functions")
        return self
