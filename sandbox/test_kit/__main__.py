"""The kit's command line: `python -m sandbox.test_kit run --case CASE --out FOLDER`, in the kit's own folder."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from sandbox.test_kit import runs
from sandbox.test_kit.misbehaviour import WAYS


def main(arguments: list[str]) -> int:
    """Run one case."""
    parser = argparse.ArgumentParser(
        prog="itk", description="Run an integration test case against real queues."
    )
    parser.add_argument("verb", choices=["run", "work"])
    parser.add_argument("--case", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--run-id", default="")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--misbehave", default="", choices=["", *WAYS])
    parser.add_argument("--redact", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    given = parser.parse_args(arguments)
    asked = runs.Asked(
        case=given.case,
        out=given.out,
        run_id=given.run_id or os.environ.get("ITK_RUN_ID", "") or runs.new_run_id(),
        count=given.count,
        misbehave=given.misbehave,
        redact=given.redact,
    )
    runs.load_settings(Path())
    return runs.run(asked) if given.verb == "run" else runs.work(asked)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
