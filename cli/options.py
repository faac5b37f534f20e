"""What the commands share: their form, and the options that several of them have."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

AsJson = Annotated[bool, Parameter(name="--json", help="Print data as JSON instead of text.")]
EnvironmentOption = Annotated[
    str, Parameter(name=["--environment", "-e"], help="Name of the environment, for instance `prod`.")
]
EnvironmentFilter = Annotated[
    str | None, Parameter(name=["--environment", "-e"], help="Only this environment.")
]


def command(
    name: str, *examples: str, exits: str = "0 done · 1 unexpected error · 2 wrong command line"
) -> App:
    """A command with its examples and exit codes below its help. Its first line of help is in `cli.main`."""
    shown = "".join(f"  backstop {example}\n" for example in examples)
    return App(name=name, help_epilogue=f"Examples:\n{shown}\nExit codes: {exits}.", help_format="plaintext")
