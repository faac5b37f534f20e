"""AWS's own command line, for benchmarks that stand beside it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

AWS_CLI = "awscli==1.46.3"


def aws_command(folder: Path) -> Path | None:
    """The `aws` command, installed from PyPI into a folder; None where uv cannot get it."""
    installer = Path(".backstop/tools/bin/uv")
    if not installer.exists():
        return None
    places = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    got = subprocess.run(
        [installer, "tool", "install", "--quiet", AWS_CLI],
        check=False,
        env=os.environ | places,
        stdin=subprocess.DEVNULL,
    )
    return folder / "bin" / "aws" if got.returncode == 0 else None
