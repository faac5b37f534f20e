"""What each function runs right now, as the sandbox's AWS has it."""

from __future__ import annotations

import hashlib
import io
import shutil
import threading
import time
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.organs import organ_client
from sandbox.places import Home

LONGEST_SECONDS = 5.0
"""A reading is never trusted longer, even when nothing seems to have changed."""


class Throttled(Exception):
    """The function takes no calls: its reserved concurrency is 0."""


class NoFunction(Exception):
    """There is no such function, version, alias or URL."""


@dataclass(frozen=True, slots=True)
class Live:
    """The code of a function at one moment."""

    function: str
    version: str
    sha256: str
    """Base64, as AWS tells it."""
    handler: str
    timeout: float
    variables: dict[str, str]
    location: str
    closed: bool
    """Whether it takes no calls."""

    @property
    def key(self) -> str:
        """The same for the same code with the same settings."""
        whole = f"{self.function} {self.sha256} {self.handler} {sorted(self.variables.items())}"
        return hashlib.sha256(whole.encode()).hexdigest()[:24]


class LiveCode:
    """Reads what is live, again whenever a call to AWS may have changed it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._endpoint = home.addresses().aws_url
        self._known: dict[tuple[str, str], tuple[int, float, Live]] = {}
        self._urls: dict[str, tuple[int, float, str]] = {}
        self._lock = threading.Lock()

    def of(self, function: str, qualifier: str) -> Live:
        """The code behind a qualifier (an alias, a version, $LATEST). NoFunction when there is none."""
        changed, now = self._changed(), time.monotonic()
        known = self._known.get((function, qualifier))
        if known and known[0] == changed and now - known[1] < LONGEST_SECONDS:
            return known[2]
        live = self._read(function, qualifier)
        self._known[function, qualifier] = (changed, now, live)
        return live

    def of_url(self, function: str) -> Live:
        """The code behind the function's URL. NoFunction when it has none."""
        changed, now = self._changed(), time.monotonic()
        known = self._urls.get(function)
        if known is None or known[0] != changed or now - known[1] >= LONGEST_SECONDS:
            known = self._urls[function] = (changed, now, self._qualifier_of_url(function))
        return self.of(function, known[2])

    def unpacked(self, live: Live) -> Path:
        """The folder with that code, fetched and unpacked once. zipfile.BadZipFile when it is no package."""
        folder = self._home.path / "run" / "code" / hashlib.sha256(live.sha256.encode()).hexdigest()[:24]
        with self._lock:
            if not folder.exists():
                with urllib.request.urlopen(live.location, timeout=10) as answer:  # noqa: S310 - our own AWS
                    package = answer.read()
                fresh = folder.with_suffix(".new")
                shutil.rmtree(fresh, ignore_errors=True)
                with zipfile.ZipFile(io.BytesIO(package)) as archive:
                    archive.extractall(fresh)
                fresh.rename(folder)
        return folder

    def _changed(self) -> int:
        return self._home.lambda_changes.stat().st_mtime_ns

    def _qualifier_of_url(self, function: str) -> str:
        config = self._call("get_function_url_config", function) or self._aliased_url(function)
        if not config:
            raise NoFunction(function)
        return config["FunctionArn"].partition(f":function:{function}")[2].lstrip(":") or "$LATEST"

    def _read(self, function: str, qualifier: str) -> Live:
        found = self._call("get_function", function, Qualifier=qualifier)
        if not found:
            raise NoFunction(f"{function}:{qualifier}")
        config = found["Configuration"]
        return Live(
            function=function,
            version=config["Version"],
            sha256=config["CodeSha256"],
            handler=config["Handler"],
            timeout=float(config.get("Timeout", 3)),
            variables=dict(config.get("Environment", {}).get("Variables", {})),
            location=found["Code"]["Location"],
            closed=(self._call("get_function_concurrency", function) or {}).get(
                "ReservedConcurrentExecutions"
            )
            == 0,
        )

    def _aliased_url(self, function: str) -> Any:
        aliases = self._call("list_aliases", function) or {"Aliases": []}
        for alias in aliases["Aliases"]:
            if config := self._call("get_function_url_config", function, Qualifier=alias["Name"]):
                return config
        return None

    def _call(self, operation: str, function: str, **more: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return getattr(organ_client("lambda", self._endpoint), operation)(FunctionName=function, **more)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
