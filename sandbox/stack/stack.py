"""The practice Docker stack: brought up in a folder, filled, looked at, taken down."""

from __future__ import annotations

import json
import secrets
import shutil
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rules.errors import RecoveryRefused, StepFailed
from sandbox.stack import composing, images
from sandbox.stack.addresses import Addresses, free_addresses
from sandbox.stack.compose_file import LABEL, ComposeFile, read_env

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from redis import Redis

ADDRESSES = "addresses.json"
FILES = ("docker-compose.yml", "kong.yml", "nginx.conf", "redis.conf")
PREFIX = "aws_masker:"
READY_SECONDS = 30.0


@dataclass(slots=True)
class DockerStack:
    """A practice stack in a folder. Its files may be changed, as an operator would, to break it."""

    home: Path
    engine: str
    """The engine's address."""
    addresses: Addresses
    _client: DockerClient | None = field(default=None, repr=False)

    @classmethod
    def start(cls, home: Path, engine: str, *, foreign: bool = False) -> DockerStack:
        """Bring a stack up in a folder; what runs already is left alone.

        `foreign`: with somebody else's stack beside it, whose names contain this one's.

        Raises:
            RecoveryRefused: its images cannot be made on this machine.
            StepFailed: it did not come up.
        """
        home.mkdir(parents=True, exist_ok=True)
        known = home / ADDRESSES
        if not known.exists():
            known.write_text(json.dumps(asdict(free_addresses())), encoding="utf-8")
        stack = cls.load(home, engine)
        stack.write_files()
        images.load(stack.client)
        stack.up(foreign=foreign)
        return stack

    @classmethod
    def load(cls, home: Path, engine: str) -> DockerStack:
        """The stack that was brought up in a folder; FileNotFoundError when none was."""
        known = json.loads((home / ADDRESSES).read_text(encoding="utf-8"))
        return cls(home.resolve(), engine, Addresses(**known))

    @property
    def client(self) -> DockerClient:
        """The engine's client."""
        if self._client is None:
            import docker

            self._client = docker.DockerClient(self.engine, version="auto", timeout=60, max_pool_size=16)
        return self._client

    @property
    def file(self) -> ComposeFile:
        """The stack's Compose file as it is now."""
        return ComposeFile.read(self.home / "docker-compose.yml")

    @property
    def foreign(self) -> ComposeFile:
        """The foreign stack's."""
        return ComposeFile.read(self.home / "foreign" / "docker-compose.yml")

    @property
    def config_env(self) -> Path:
        """The configuration that reaches the containers as their environment."""
        return self.home / "config.env"

    @property
    def password(self) -> str:
        """Redis's password."""
        return read_env(self.config_env)["REDIS_PASSWORD"]

    def write_files(self, release: int = 1) -> None:
        """Write every file as it is meant to be. The password stays."""
        foreign = self.home / "foreign"
        foreign.mkdir(exist_ok=True)
        for name in FILES:
            _put(self.home / name, images.read(name))
        _put(foreign / "docker-compose.yml", images.read("foreign-compose.yml"))
        at = self.addresses
        variables = {"PROJECT": at.project, "SUBNET": at.subnet, "APP_RELEASE": release, "REDIS_PORT": at.redis,
                     "PROXY_PORT": at.proxy, "ADMIN_PORT": at.admin, "FRONT_PORT": at.front}  # fmt: skip
        text = "".join(f"{name}={value}\n" for name, value in variables.items()).encode()
        _put(self.home / ".env", text)
        _put(foreign / ".env", text)
        password = self.password if self.config_env.exists() else secrets.token_hex(16)
        self.config_env.touch(mode=0o600)
        _put(
            self.config_env,
            f"AWS_MASKING_ENABLED=true\nAPP_MODEL=opus\nREDIS_PASSWORD={password}\n".encode(),
        )

    def up(self, *, foreign: bool = False) -> float:
        """Bring up what is not, and wait until it answers; the seconds it took.

        Raises:
            StepFailed: it never did.
        """
        begun = time.monotonic()
        if foreign:
            composing.up(self.client, self.foreign)
        composing.up(self.client, self.file)
        self.wait_until_ready()
        return time.monotonic() - begun

    def renew(self) -> float:
        """Make it as new, whatever was done to it: nothing is stored, every file as meant; the seconds it took."""
        begun = time.monotonic()
        self.down()
        self.write_files()
        self.up(foreign=True)
        return time.monotonic() - begun

    def down(self) -> None:
        """Remove its containers, networks and volumes, and the foreign stack's; its files stay."""
        composing.down(self.client, self.file)
        composing.down(self.client, self.foreign)

    def remove(self) -> None:
        """Remove everything of it."""
        self.down()
        shutil.rmtree(self.home, ignore_errors=True)

    def container(self, service: str, project: str | None = None) -> Container:
        """The container of a service, as it is now."""
        for found in composing.containers(self.client, project or self.addresses.project):
            if found.labels[f"{LABEL}.service"] == service:
                return found
        raise RecoveryRefused(f"The stack has no container of {service}.", hint="Bring it up first.")

    def redis(self, timeout: float = 30.0, *, text: bool = True) -> Redis:
        """A connection to Redis. `text`: its answers are decoded."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis(
            host="127.0.0.1",
            port=self.addresses.redis,
            password=self.password,
            decode_responses=text,
            socket_timeout=timeout,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )

    def fill(self, keys: int) -> None:
        """Make Redis hold so many keys more, as the gateway would have written them."""
        connection = self.redis()
        for start in range(0, keys // 2, 10_000):
            with connection.pipeline(transaction=False) as pipe:
                for number in range(start, min(start + 10_000, keys // 2)):
                    identifier, mask = f"i-{number:017x}", f"AWS_EC2_{number + 500_000:06d}"
                    pipe.mset({f"{PREFIX}map:{mask}": identifier, f"{PREFIX}rev:{identifier}": mask})
                pipe.execute()
        connection.close()

    def ask(self, text: str) -> str:
        """What the stack answers to a request, through all of it."""
        body: dict[str, Any] = json.loads(_get(self.addresses.front, "/", text.encode()))
        return str(body["echo"])

    def seen_by_app(self) -> str:
        """What the app saw of the last request."""
        asked = ["wget", "-q", "-O", "-", "http://127.0.0.1:8082/seen"]
        said = self.container("app").exec_run(asked).output
        return said.decode() if isinstance(said, bytes) else ""

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> float:
        """Wait until a request goes through all of it; the seconds it took.

        Raises:
            StepFailed: it never did; says what failed last.
        """

        def ready() -> bool:
            self.redis(2).ping()
            _get(self.addresses.admin, "/status")
            return self.ask("ready") == "ready"

        return wait_for(ready, "the practice stack answers", seconds)


def wait_for(true: Callable[[], bool], what: str, seconds: float) -> float:
    """Look every 20 ms until something is true, whatever looking raises meanwhile; the seconds it took.

    Raises:
        StepFailed: it never was; says what came last.
    """
    import redis

    begun, last = time.monotonic(), ""
    while time.monotonic() - begun < seconds:
        try:
            if true():
                return time.monotonic() - begun
        except (OSError, ValueError, KeyError, redis.RedisError) as error:
            last = f"{type(error).__name__}: {error}"
        time.sleep(0.02)
    raise StepFailed(f"Waited {seconds:g} s in vain: {what}.", hint=last)


def _put(path: Path, content: bytes) -> None:
    """In place: a container that has the file mounted sees it, as after an editor that keeps the file."""
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)


def _get(port: int, path: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data=body, timeout=5) as answer:
        content: bytes = answer.read()
        return content
