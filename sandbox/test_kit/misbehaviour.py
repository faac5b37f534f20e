"""The ways in which the kit goes wrong on purpose, each for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import NoReturn

from sandbox.test_kit.clients import client

WAYS = ("hang", "ignore-term", "fork-away", "zombie", "linger", "secrets", "fail", "lose-line", "wander")
"""hang: no output, no CPU, no IO. ignore-term: the same, deaf to SIGTERM. fork-away: the same, with a child that left
for a session of its own. zombie: the same, with a dead child that nobody collects. linger: it waits for results and
says so. secrets: they stand in its artifacts. fail: it ends with an error of its code.
lose-line: it ends because somebody did not answer. wander: it reads a secret, tags the queue, and lingers."""

_LAST_WORDS = {
    "fail": "E   AssertionError: assert 23 == 24, an order has no answer",
    "lose-line": "ConnectionError: Connection reset by peer",
}
_SLEEPER = "import time; time.sleep(86400)"
_DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_SLEEPER}"


def after_publishing(way: str) -> None:
    """Go wrong, once the messages are out."""
    if way == "wander":
        _wander()
    if way in {"linger", "wander"}:
        while True:
            sys.stdout.write("waiting for results\n")
            sys.stdout.flush()
            time.sleep(0.2)
    if way == "ignore-term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", _DEAF], stdin=subprocess.DEVNULL)
        _hang()
    if way == "fork-away":
        _fork_away()
        _hang()
    if way == "zombie":
        subprocess.Popen([sys.executable, "-c", ""])
        _hang()
    if way == "hang":
        subprocess.Popen([sys.executable, "-c", _SLEEPER], stdin=subprocess.DEVNULL)
        _hang()
    if way in _LAST_WORDS:
        sys.stdout.write(f"{_LAST_WORDS[way]}\n")
        raise SystemExit(3)


def planted_secrets() -> dict[str, str]:
    """Made-up secrets, put together here so that no file of ours holds one."""
    return {
        "aws_access_key_id": os.environ.get("ITK_TEST_KEY_ID", "AKIA" + "Q3EGW4XKPLANTED7"[:16]),
        "aws_secret_access_key": os.environ.get("ITK_TEST_SECRET_KEY", ""),
        "password": "hunter" + "2-planted",
        "customer_email": "jane.doe@" + "customer.example",
    }


def _wander() -> None:
    """What a careless case does beside publishing."""
    client("secretsmanager").get_secret_value(SecretId="orders/partner-key")
    client("sqs").tag_queue(QueueUrl=os.environ["ITK_SQS_QUEUE_URL"], Tags={"tested-by": "itk"})


def _hang() -> NoReturn:
    while True:
        signal.pause()


def _fork_away() -> None:
    """A grandchild in a session of its own: its parent is gone, only its environment tells whose it was."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    silent = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silent, number)
    os.execv(sys.executable, [sys.executable, "-c", _SLEEPER])  # noqa: S606 - a process of our own
