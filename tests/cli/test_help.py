"""Help must come at once, and help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cli.main import app

from .conftest import ROOT, Backstop

COMMANDS = (
    *("recover", "approve", "incidents", "show", "report", "scenarios", "preflight", "stop-lever"),
    *("up", "apply", "doctor", "readiness", "drill", "demo", "sandbox"),
)
HEAVY = (
    "prefect",
    "boto3",
    "botocore",
    "sqlalchemy",
    "pydantic",
    "httpx",
    "deployments",
    "flows",
    "ledger",
    "sandbox",
)


def imported_by(*words: str) -> set[str]:
    """The top-level packages that a command has imported when it ends."""
    code = (
        "import sys, io; sys.argv[1:] = {words!r}.split()\n"
        "real, sys.stdout = sys.stdout, io.StringIO()\n"
        "from cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "real.write(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    ).format(words=" ".join(words))
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(told.stdout.split())


def test_help_imports_nothing_heavy() -> None:
    """`backstop --help` imports none of the packages that take long."""
    assert imported_by("--help").isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "words", [("incidents",), ("show", "last"), ("scenarios",), ("stop-lever", "status"), ("drill",)]
)
def test_reading_commands_need_neither_prefect_nor_boto3(words: tuple[str, ...]) -> None:
    """Commands that only read the ledger or the flows' text do not wait for Prefect's or boto3's import."""
    assert imported_by(*words).isdisjoint({"prefect", "boto3", "botocore"})


def test_every_command_is_listed(installed_backstop: Backstop) -> None:
    """The overview names every command and the exit codes."""
    said = installed_backstop("--help")

    assert said.code == 0
    for command in COMMANDS:
        assert command in said.out
    assert "5 undo failed" in " ".join(said.out.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(command: str) -> None:
    """Every command loads, and its help shows at least one example that begins with its own name."""
    resolved = app[command]

    assert resolved.help
    assert f"  backstop {command}" in str(resolved.help_epilogue)


def test_a_misspelt_command_is_a_usage_error(backstop: Backstop) -> None:
    """A command that does not exist ends with 2 and says which is meant."""
    said = backstop("recovr")

    assert said.code == 2
    assert '"recover"' in said.out + said.err
