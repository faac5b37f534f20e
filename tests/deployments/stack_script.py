"""Runs a stack for the test of it: `python stack_script.py HOME`; says `up` and its addresses."""

# ruff: noqa: T201 - a script that talks to the test

from __future__ import annotations

import sys
from pathlib import Path

from deployments.stack import Stack

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    stack = Stack(
        home=Path(sys.argv[1]),
        prefect_port=0,
        webhook_port=0,
        environments=ROOT / "deployments" / "environments",
        file=ROOT / "prefect.yaml",
        say=lambda text: print(text, flush=True),
    )
    stack.start()
    print("up", stack.prefect_address, stack.webhook_address, flush=True)
    stack.run()
    print("down", flush=True)
