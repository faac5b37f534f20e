"""The sandbox's own way to its GitHub: what is planted there, what goes wrong there, what is seen there."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class StandIn:
    """A running stand-in, by its address."""

    url: str

    def plant_run(self, **run: Any) -> int:
        """Put a run there (see `sandbox.github_api.control.plant_run`); the number of the last one."""
        return int(self._told("runs", run)["runs"][-1])

    def remove_run(self, run: int) -> None:
        """As if it had never been."""
        self._asked(f"runs/{run}", method="DELETE")

    def remove_thread(self, number: int) -> None:
        """An issue or a pull request, as if it had never been."""
        self._asked(f"threads/{number}", method="DELETE")

    def remove_pull_requests(self, branches: str) -> None:
        """All whose branch begins so, as if they had never been."""
        for number, thread in self.seen()["threads"].items():
            if thread["branch"].startswith(branches):
                self.remove_thread(int(number))

    def plant_pull_request(
        self, number: int, title: str, branch: str, sha: str, said: Sequence[str] = (), state: str = "open"
    ) -> None:
        """Put a pull request there, with what people said on it; putting it again changes nothing."""
        told = {
            "number": number,
            "title": title,
            "body": "",
            "branch": branch,
            "sha": sha,
            "state": state,
            "said": list(said),
        }
        self._told("threads", told)

    def plant_issue(self, number: int, title: str, body: str, *labels: str, state: str = "open") -> None:
        """Put an issue there; putting it again changes nothing."""
        told = {"number": number, "title": title, "body": body, "labels": labels, "state": state}
        self._told("threads", told)

    def trouble(self, *troubles: dict[str, Any]) -> None:
        """What goes wrong from now on; nothing given: nothing."""
        self._told("trouble", list(troubles))

    def keep(self, moment: str) -> None:
        """Remember everything under a name."""
        self._told(f"moments/keep/{moment}", {})

    def reset(self, moment: str) -> None:
        """Go back to a kept moment; nothing goes wrong from then on."""
        self._told(f"moments/reset/{moment}", {})

    def hold_to(self, description: Path) -> None:
        """Check everything against GitHub's description from now on."""
        self._told("contract", {"description": str(description)})

    def deliver(self, run: int, delivery: str = "") -> int:
        """Send a run's webhook once more; the status it was answered with."""
        return int(self._told("deliver", {"run": run, "delivery": delivery})["status"])

    def seen(self) -> dict[str, Any]:
        """Everything that a recovery may change."""
        return self._asked("seen")

    def attempts(self, run: int) -> list[dict[str, Any]]:
        """The attempts of a run, oldest first."""
        found: list[dict[str, Any]] = self.seen()["runs"][str(run)]
        return found

    def pull_requests(self, branch: str) -> list[dict[str, Any]]:
        """Every pull request of a branch."""
        return [thread for thread in self.seen()["threads"].values() if thread["branch"] == branch]

    def comments(self, number: int) -> list[str]:
        """What was said on an issue or pull request."""
        found: list[str] = self.seen()["threads"][str(number)]["comments"]
        return found

    def _told(self, what: str, body: Any) -> dict[str, Any]:
        return self._asked(what, json.dumps(body).encode())

    def _asked(self, what: str, body: bytes | None = None, method: str | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - this machine
            f"{self.url}/sandbox/{what}", body, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - this machine
            told: dict[str, Any] = json.loads(answer.read())
            return told
