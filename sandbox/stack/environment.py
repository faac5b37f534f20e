"""The environment file that Backstop reads to recover the practice stack."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any

from sandbox.stack.stack import PREFIX, DockerStack

NAME = "masking"


def described(stack: DockerStack) -> dict[str, Any]:
    """The practice stack as Backstop's blocks describe it. Its secrets are in files of their own."""
    at = stack.addresses
    kept = stack.home / "secrets"
    kept.mkdir(mode=0o700, exist_ok=True)
    _keep(kept / "redis", stack.password)
    key = kept / "seal"
    if not key.exists():
        _keep(key, base64.b64encode(secrets.token_bytes(32)).decode())
    return {
        "name": NAME,
        "tier": "production",
        "platform": {
            "kind": "docker_stack",
            "host": {"address": stack.engine},
            "project": at.project,
            "services": ["redis", "app", "kong", "nginx"],
            "config_file": str(stack.config_env),
            "redis": {
                "port": at.redis,
                "password": {"source": "file", "name": str(kept / "redis")},
                "key_prefixes": [f"{PREFIX}map:", f"{PREFIX}rev:"],
            },
            "gateway": {
                "admin_url": f"http://127.0.0.1:{at.admin}",
                "proxy_url": f"http://127.0.0.1:{at.proxy}",
                "declarative_file": str(stack.home / "kong.yml"),
            },
            "masking": {"url": f"http://127.0.0.1:{at.front}/"},
            "health": [
                {"name": "nginx", "url": f"http://127.0.0.1:{at.front}", "release_field": None},
            ],
            "backups": {
                "directory": str(stack.home / "backups"),
                "seal": {"source": "file", "name": str(key)},
            },
            "health_interval_seconds": 0.5,
        },
    }


def _keep(file: Path, secret: str) -> None:
    file.touch(mode=0o600)
    file.write_text(secret, encoding="utf-8")
