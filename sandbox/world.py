"""The practice sandbox: a service on AWS, on this machine, with no account anywhere, and real ways to break it."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rules.errors import RecoveryRefused, StepFailed
from sandbox import (
    account,
    certificates,
    deploying,
    environment_files,
    kit_runs,
    moments,
    releases,
    running,
    stack_organ,
    terraform_binary,
)
from sandbox.addresses import Addresses, free_addresses
from sandbox.github_stand_in import StandIn
from sandbox.organs import organ_client
from sandbox.places import ENVIRONMENTS, FUNCTION_NAMES, Home, Place
from sandbox.running import Status

if TYPE_CHECKING:
    from sandbox.stack.stack import DockerStack

DEPLOYED = "deployed"
"""The kept moment that `reset` goes back to."""


@dataclass(slots=True)
class Sandbox:
    """A running sandbox."""

    home: Home
    terraform: str
    addresses: Addresses
    _outlives: bool = True
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)

    @classmethod
    def start(cls, home: Path, *, outlive: bool = False) -> Sandbox:
        """Bring a sandbox up in a folder; what runs already is left alone. It is empty until something is deployed.

        `outlive`: it stays when this process ends, until `stop`. Otherwise its processes end with this one.

        Raises:
            RecoveryRefused: there is no Terraform.
            StepFailed: a process did not come up.
        """
        place = Home(home.resolve())
        (place.path / "run").mkdir(parents=True, exist_ok=True)
        terraform = terraform_binary.find(place)
        if not place.addresses_file.exists():
            place.keep_addresses(free_addresses(FUNCTION_NAMES))
        box = cls(place, terraform, place.addresses(), outlive)
        certificates.make(place)
        box._started = running.bring_up(place, outlive=outlive)
        terraform_binary.write_provider_mirror(place)
        environment_files.write(place, terraform)
        releases.build(place)
        running.wait_until_up(place)
        account.open_account(place)
        return box

    @classmethod
    def load(cls, home: Path) -> Sandbox:
        """The sandbox that runs in a folder.

        Raises:
            RecoveryRefused: none does.
        """
        place = Home(home.resolve())
        if not place.addresses_file.exists() or not all(running.living(place).values()):
            raise RecoveryRefused(f"No sandbox runs in {home}.", hint="Start one: backstop sandbox up.")
        return cls(place, terraform_binary.find(place), place.addresses())

    def stop(self) -> None:
        """End its processes, and only these. Its files stay; what AWS held is gone."""
        stop(self.home.path)
        for process in self._started:
            process.wait()
        self._started.clear()

    def status(self) -> Status:
        """What runs."""
        living = running.living(self.home)
        return Status(living, str(self.home.path), self.addresses.aws_url, stack_organ.told(self.home))

    @property
    def releases(self) -> list[releases.Release]:
        """Its releases, oldest first: 1 and 2 are good, 3 fails its canary."""
        return releases.read(self.home)

    def release(self, number: int) -> str:
        """The name of a release by its number."""
        return next(release.name for release in self.releases if release.number == number)

    def place(self, environment: str) -> Place:
        """The names of an environment in AWS."""
        if environment not in ENVIRONMENTS:
            raise RecoveryRefused(
                f"The sandbox has no environment {environment!r}.", hint=f"It has {ENVIRONMENTS}."
            )
        return Place(environment)

    @property
    def stack(self) -> DockerStack:
        """Its Docker stack, the environment `masking`: brought up when it is first asked for.

        Raises:
            RecoveryRefused: this machine has no Docker engine, or it cannot make the images; says what is missing.
        """
        return stack_organ.start(self.home, outlive=self._outlives)

    @property
    def github(self) -> StandIn:
        """Its GitHub, past the API."""
        return StandIn(self.addresses.github_url)

    def variables(self) -> dict[str, str]:
        """What every AWS tool and Terraform need to reach it."""
        return environment_files.variables(self.home)

    def client(self, service: str) -> Any:
        """Its own AWS client for a service: faults do not hit it."""
        return organ_client(service, self.addresses.aws_url)

    def deploy(
        self,
        environment: str,
        release: str | int,
        on_event: deploying.Told = deploying.nobody,
        *,
        lock_seconds: int = 30,
    ) -> float:
        """Deploy a release (its name or number) with real Terraform; the seconds it took.

        `on_event` gets Terraform's events as they come. It waits `lock_seconds` for a lock that somebody holds.

        Raises:
            StepFailed: Terraform failed.
        """
        begun, place = time.monotonic(), self.place(environment)
        name = self.release(release) if isinstance(release, int) else release
        deploying.deploy(
            self.home,
            place,
            name,
            terraform=self.terraform,
            environment=self.variables(),
            on_event=on_event, lock_seconds=lock_seconds,
        )  # fmt: skip
        account.give_key(self.home, place)
        return time.monotonic() - begun

    def subscribe(self, webhook_url: str) -> None:
        """Send notifications to this address from now on; empty: to nobody."""
        self.home.webhook.write_text(webhook_url, encoding="utf-8")

    def subscribe_to_github(self, webhook_url: str) -> None:
        """Send GitHub's `workflow_run` events to this address from now on, signed with its secret; empty: to nobody."""
        self.home.github_webhook.write_text(webhook_url, encoding="utf-8")

    def keep(self, moment: str = DEPLOYED) -> None:
        """Remember everything AWS and the test kit hold now; `reset` goes back there.

        The Docker stack has one moment only: as it was brought up.
        """
        self._moment("keep", moment)
        kit_runs.keep_folders(self.home, moment)

    def reset(self, moment: str = DEPLOYED) -> None:
        """Repair every fault and make AWS hold exactly what it held at a kept moment.

        Raises:
            StepFailed: no such moment was kept.
        """
        for leftover in self.home.leftovers:
            leftover.unlink(missing_ok=True)
        terraform_binary.write_provider_mirror(self.home)
        releases.forget_later(self.home)
        self._moment("reset", moment)
        kit_runs.reset_folders(self.home, moment)
        stack_organ.set_back(self.home)

    def wait_for(self, true: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
        """Look every 50 ms until something is true; the seconds it took.

        Raises:
            StepFailed: it never was.
        """
        begun = time.monotonic()
        while not true():
            if time.monotonic() - begun > seconds:
                raise StepFailed(f"The sandbox waited {seconds:g} s in vain: {what}.")
            time.sleep(0.05)
        return time.monotonic() - begun

    def alarm_states(self, environment: str) -> dict[str, str]:
        """The state of each alarm of an environment, metric and composite, by name."""
        found = self.client("cloudwatch").describe_alarms(
            AlarmNamePrefix=self.place(environment).alarm_prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return {a["AlarmName"]: a["StateValue"] for a in (*found["MetricAlarms"], *found["CompositeAlarms"])}

    def wait_until_green(self, *environments: str, seconds: float = 30.0) -> float:
        """Wait until every alarm of these environments (of all, when none is named) is OK; the seconds it took.

        Raises:
            StepFailed: one never was.
        """
        names = environments or ENVIRONMENTS

        def green() -> bool:
            return all(state == "OK" for name in names for state in self.alarm_states(name).values())

        return self.wait_for(green, "every alarm is OK", seconds)

    def _moment(self, verb: str, name: str) -> None:
        aws, github = self.addresses.aws_url, self.addresses.github_url
        try:
            for url in (f"{aws}{moments.PATH}{verb}/{name}", f"{github}/sandbox/moments/{verb}/{name}"):
                with urllib.request.urlopen(url, data=b"", timeout=30):  # noqa: S310 - this machine
                    pass
        except OSError as error:
            raise StepFailed(f"The sandbox could not {verb} the moment {name!r}: {error}.") from error


def stop(home: Path) -> None:
    """End everything of the sandbox in a folder, and only that."""
    place = Home(home.resolve())
    stack_organ.stop(place)
    running.end(place)
