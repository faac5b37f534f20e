"""What stands between a caller and the sandbox's AWS: it breaks chosen calls, really, on the wire.

Faults are rules in `HOME/faults.json`, read again when the file changes. The sandbox's own parts are spared.
"""

from __future__ import annotations

import fcntl
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from sandbox import aws_queues, aws_server, aws_trail, aws_wire, moments
from sandbox.aws_functions import CODE_PATH, code_at
from sandbox.organs import ORGAN
from sandbox.places import ENVIRONMENTS

if TYPE_CHECKING:
    from sandbox.places import Home

Kind = Literal["error", "drop", "lose-reply", "delay", "account"]


@dataclass(slots=True)
class Rule:
    """One thing that goes wrong.

    `call` is `service.Operation`, `service.*` or `*`. `agent` must occur in the caller's user agent, `spares` must
    not. `times` counts down; None never ends. `seconds` is waited before anything else. `lose-reply` lets AWS act
    and swallows the answer; `drop` hangs up before it acts; `account` lands the caller in another account. With
    `per_second` only calls beyond so many in a second are caught, as AWS throttles.
    """

    call: str
    kind: Kind
    times: int | None = None
    code: str = ""
    status: int = 400
    message: str = ""
    agent: str = ""
    spares: str = ""
    seconds: float = 0.0
    per_second: int = 0
    account: str = ""
    name: str = ""

    def catches(self, call: str, agent: str) -> bool:
        """Say whether this rule is for that call by that caller."""
        if (
            self.times == 0
            or ORGAN in agent
            or self.agent not in agent
            or (self.spares and self.spares in agent)
        ):
            return False
        service, _, operation = self.call.partition(".")
        return self.call in {"*", call} or (operation == "*" and call.startswith(f"{service}."))


def read_rules(path: Path) -> list[Rule]:
    """The rules in a file; none when there is no file."""
    try:
        return [Rule(**rule) for rule in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def change_rules(path: Path, change: Any) -> None:
    """Replace the rules by what `change(rules)` returns, one writer at a time, readers never see half a file."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fresh = path.with_suffix(".new")
        fresh.write_text(
            json.dumps([asdict(rule) for rule in change(read_rules(path))], indent=1), encoding="utf-8"
        )
        fresh.replace(path)


class Front:
    """A WSGI application round the AWS application."""

    def __init__(self, inner: WSGIApplication, home: Home) -> None:
        self._inner = inner
        self._faults = home.faults
        self._changes = home.lambda_changes
        self._changes_in = {name: home.changes_in(name) for name in ENVIRONMENTS}
        self._resets = home.resets
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self._counting = threading.Lock()
        self._changes.parent.mkdir(parents=True, exist_ok=True)
        self._changes.touch()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Let the call through, or break it."""
        if environ["PATH_INFO"].startswith(CODE_PATH):
            return _code(environ, start_response)
        if environ["PATH_INFO"].startswith(moments.PATH):
            return self._moment(environ["PATH_INFO"], start_response)
        if environ["PATH_INFO"].startswith(aws_queues.PEEK_PATH):
            return aws_queues.peek(environ["PATH_INFO"], start_response)
        if not self._faults.exists():
            return self._pass(environ, start_response)
        call = aws_wire.name_of_call(environ)
        rule = self._rule_for(call, environ.get("HTTP_USER_AGENT", ""))
        if rule is None or (rule.per_second and not self._exceeds(rule)):
            return self._pass(environ, start_response)
        if rule.seconds:
            time.sleep(rule.seconds)
        if rule.kind == "account":
            environ["HTTP_X_MOTO_ACCOUNT_ID"] = rule.account
        if rule.kind in {"delay", "account"}:
            return self._pass(environ, start_response)
        if rule.kind == "error":
            answer = aws_wire.error(environ, rule.code, rule.status, rule.message)
            start_response(answer.status_line, answer.headers)
            return [answer.body]
        if rule.kind == "lose-reply":
            for _ in self._pass(environ, lambda *_: _swallow):
                pass
        return aws_server.hang_up(environ)

    def _rule_for(self, call: str, agent: str) -> Rule | None:
        found: list[Rule] = []

        def use(rules: list[Rule]) -> list[Rule]:
            for rule in rules:
                if rule.catches(call, agent):
                    found.append(Rule(**asdict(rule)))
                    if rule.times is not None:
                        rule.times -= 1
                    break
            return rules

        first = next((rule for rule in read_rules(self._faults) if rule.catches(call, agent)), None)
        if first is None or first.times is None:
            return first
        change_rules(self._faults, use)
        return found[0] if found else None

    def _exceeds(self, rule: Rule) -> bool:
        """Whether this call is one too many in this second. A call that is refused does not count."""
        now = time.monotonic()
        with self._counting:
            recent = self._recent[f"{rule.name} {rule.call}"]
            while recent and recent[0] <= now - 1:
                recent.popleft()
            if len(recent) >= rule.per_second:
                return True
            recent.append(now)
            return False

    def _moment(self, path: str, start_response: StartResponse) -> Iterable[bytes]:
        """Keep the present, or go back to a kept one: nobody is served meanwhile."""
        verb, _, name = path.removeprefix(moments.PATH).partition("/")
        done = True
        if verb == "keep":
            moments.keep(name)
        else:
            done = moments.go_back(name)
            self._changes.touch()
            self._resets.write_text(str(time.time_ns()), encoding="utf-8")
        start_response("204 Done" if done else "404 No Such Moment", [("Content-Length", "0")])
        return []

    def _pass(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if ORGAN not in environ.get("HTTP_USER_AGENT", ""):
            if aws_wire.name_of_call(environ) == aws_trail.LOOKUP:
                told = aws_trail.look_up(environ)
                start_response(told.status_line, told.headers)
                return [told.body]
            aws_trail.note(environ)
        answer = self._inner(environ, start_response)
        if aws_wire.may_change_functions(environ):
            answer = list(answer)
            self._changes.touch()
            whose = aws_wire.environment_of(environ)
            for file in [self._changes_in[whose]] if whose else self._changes_in.values():
                file.touch()
        return answer


def _code(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    package = code_at(environ["PATH_INFO"])
    found = package is not None
    body = package or b""
    start_response("200 OK" if found else "404 Not Found", [("Content-Length", str(len(body)))])
    return [body]


def _swallow(_: bytes) -> None:
    """Stand in for WSGI's write()."""
