"""The qa environment as Backstop's blocks describe it."""

from __future__ import annotations

import sys
from typing import Any

from sandbox.places import ACCOUNT, REGION, Home
from sandbox.test_kit.place import (
    BILLING,
    BILLING_FIFO,
    BLOCKED,
    INTAKE,
    INTAKE_FIFO,
    LOG_GROUPS,
    QA,
    STRAYS_ALARM,
    KitPlace,
    dead,
)
from sandbox.test_kit.production import AUDITOR, PRODUCTION


def described(home: Home) -> dict[str, Any]:
    """The environment file's content."""
    place = KitPlace(home)
    return {
        "name": QA,
        "tier": "qa",
        "account": _account(home),
        "platform": {
            "kind": "test_kit",
            "command": [sys.executable, "-P", "-m", "sandbox.test_kit", "run"],
            "folder": str(place.folder),
            "artifacts": str(place.artifacts),
            "queues": [
                *(
                    {"url": place.url(name), "dead_letters": place.url(dead(name)), "tests_publish": True}
                    for name in (INTAKE, INTAKE_FIFO)
                ),
                *(
                    {"url": place.url(name), "dead_letters": place.url(dead(name))}
                    for name in (BILLING, BILLING_FIFO)
                ),
            ],
            "log_groups": [*LOG_GROUPS],
            "copies": {
                "directory": str(place.copies),
                "key": {"source": "file", "name": str(place.copies_key)},
            },
            "blocked_accounts": [BLOCKED],
            "evidence_accounts": [
                {**_account(home), "account_id": PRODUCTION, "role_arn": AUDITOR},
            ],
            "quiet_seconds": 2.0,
            "grace_seconds": 1.0,
            "run_timeout_seconds": 60.0,
        },
        "drills": {"allowed": [{"fault": "wrong-queue", "alarm": STRAYS_ALARM, "queue": place.url(BILLING)}]},
    }


def _account(home: Home) -> dict[str, Any]:
    return {
        "account_id": ACCOUNT,
        "region": REGION,
        "endpoint_url": home.addresses().aws_url,
        "access_key_id": {"source": "file", "name": str(home.credentials / "access-key-id")},
        "secret_access_key": {"source": "file", "name": str(home.credentials / "secret-access-key")},
    }
