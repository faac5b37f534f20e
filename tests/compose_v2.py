"""Real Docker Compose v2, in the practice stack's folder."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

from sandbox.stack.stack import DockerStack


def compose(stack: DockerStack, *words: str) -> str:
    """Run it, and give back everything it said."""
    found = importlib.util.find_spec("compose")
    assert found is not None
    assert found.origin is not None
    done = subprocess.run(
        [str(Path(found.origin).parent / "docker-compose"), *words],
        cwd=stack.home,
        env={"PATH": os.environ["PATH"], "HOME": str(stack.home), "DOCKER_HOST": stack.engine},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
