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


def deploy_badly(stack: DockerStack) -> None:
    """A deployment as it goes wrong: another release and another setting, brought up with Compose."""
    settings = stack.home / ".env"
    settings.write_text(settings.read_text().replace("APP_RELEASE=1", "APP_RELEASE=2"))
    stack.config_env.write_text(stack.config_env.read_text().replace("opus", "haiku"))
    (stack.home / "nginx.conf").write_text(
        (stack.home / "nginx.conf").read_text().replace("healthy", "moody")
    )
    compose(stack, "up", "--detach")


def settle(stack: DockerStack) -> set[str]:
    """What Compose would do to the stack for release 1."""
    settings = stack.home / ".env"
    settings.write_text(settings.read_text().replace("APP_RELEASE=2", "APP_RELEASE=1"))
    said = compose(stack, "up", "--detach", "--dry-run")
    return {word for word in ("Recreate", "Creating", "Removed", "Started") if word in said}
