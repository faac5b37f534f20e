"""Health endpoints: asked with a key that nobody else ever sees."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from rules.health import Look
from rules.outcomes import Verdict
from tasks import endpoints
from tasks.endpoints import ask_health
from tests.tasks.lambda_service import environment

WORD = "planted-word-1234"
HEALTHY = {"status": "healthy", "release": "4f0c9e1"}


class _Answers(BaseHTTPRequestHandler):
    status, body, delay, key = 200, b"", 0.0, WORD

    def do_GET(self) -> None:
        """Answer as the test wants, to callers with the key."""
        time.sleep(self.delay)
        right = self.headers.get("X-API-Key") == self.key
        self.send_response(self.status if right else 401)
        if self.status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(self.body if right else b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Answers]]:
    """An endpoint that answers as its class says; its address is in `url`."""
    monkeypatch.setenv("PRACTICE_KEY", WORD)
    endpoints._kept.clear()
    handler = type("Answers", (_Answers,), {"body": json.dumps(HEALTHY).encode()})
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.url = f"http://127.0.0.1:{listening.server_port}"  # type: ignore[attr-defined]  # made for this test
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    yield handler
    listening.shutdown()
    listening.server_close()


def look(server: type[_Answers]) -> Look:
    """Ask it once."""
    return ask_health.fn(environment(server.url), "dashboard")  # type: ignore[attr-defined]  # made for this test


def test_a_healthy_answer_names_its_release(server: type[_Answers]) -> None:
    """200 with the right word passes."""
    seen = look(server)

    assert (seen.verdict, seen.release) == (Verdict.PASS, "4f0c9e1")


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (503, b'{"status": "unhealthy", "release": "b81"}', "answered 503"),
        (200, b'{"status": "degraded"}', "degraded"),
        (200, b"<html>", "does not say its status"),
        (200, b"[]", "does not say its status"),
        (200, b"\xff\xfe", "does not say its status"),
        (302, b"", "answered 302"),
        (200, b"x" * 200_000, "does not say its status"),
    ],
)
def test_anything_else_fails(server: type[_Answers], status: int, body: bytes, told: str) -> None:
    """Another status, another word, another page, a redirection, or far too much: each with its reason."""
    server.status, server.body = status, body

    seen = look(server)

    assert seen.verdict is Verdict.FAIL
    assert told in seen.reason


def test_no_answer_in_time_fails(server: type[_Answers]) -> None:
    """The endpoint's own time limit holds."""
    server.delay = 2.0
    begun = time.monotonic()

    assert look(server).verdict is Verdict.FAIL
    assert time.monotonic() - begun < 1.9


def test_nobody_listening_fails(server: type[_Answers]) -> None:
    """A refused connection is an answer too."""
    seen = ask_health.fn(environment("http://127.0.0.1:9"), "dashboard")

    assert seen.verdict is Verdict.FAIL


def test_a_refused_key_is_a_finding_and_never_told(
    server: type[_Answers], caplog: pytest.LogCaptureFixture
) -> None:
    """It says where the key is kept, not what it is; nothing of it is logged, at any level."""
    server.key = "another"
    with caplog.at_level(logging.DEBUG):
        seen = look(server)

    assert seen.verdict is Verdict.FAIL
    assert "PRACTICE_KEY" in seen.reason
    assert WORD not in seen.model_dump_json() + caplog.text


def test_a_rotated_key_is_read_again(server: type[_Answers], monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that we kept for a while and that is refused now is read anew before it counts."""
    assert look(server).verdict is Verdict.PASS
    server.key = "rotated"
    monkeypatch.setenv("PRACTICE_KEY", "rotated")
    time.sleep(1.2)  # more than the second in which a key still counts as just read

    assert look(server).verdict is Verdict.PASS


def test_a_missing_key_is_no_verdict(server: type[_Answers], monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that could not be asked neither passes nor fails."""
    monkeypatch.delenv("PRACTICE_KEY")

    assert look(server).verdict is Verdict.INCONCLUSIVE
