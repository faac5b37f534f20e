"""What the demo's webhook receiver takes: the practice world's topics, signed with the practice world's certificate."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import yaml

from sandbox.places import ACCOUNT, ENVIRONMENTS, REGION, Place
from sandbox.places import Home as SandboxHome


def receiver_variables(home: Path, sandbox: SandboxHome, scenario: str = "canary-failure") -> dict[str, str]:
    """Write the routes file, and return the receiver's environment."""
    routes = home / "alarm_routes.yaml"
    told = {
        "topics": [Place(name).topic for name in ENVIRONMENTS],
        "environments": {name: {"account": ACCOUNT, "region": REGION} for name in ENVIRONMENTS},
        "routes": [
            {"alarm": f"{Place(name).alarm_prefix}*", "scenario": scenario, "environment": name}
            for name in ENVIRONMENTS
        ],
    }
    routes.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")
    return {
        "BACKSTOP_WEBHOOK_ROUTES": str(routes),
        "BACKSTOP_WEBHOOK_CERTIFICATE_HOST": urlsplit(sandbox.addresses().certificate_url).netloc,
        "BACKSTOP_WEBHOOK_CERTIFICATE_CA": str(sandbox.certificate),
    }
