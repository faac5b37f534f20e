"""The environment files that Backstop reads to recover the sandbox, and the shell variables to look at it."""

from __future__ import annotations

import base64
import os
import secrets
import shlex
from typing import Any

from sandbox.github_api.state import NAME, OWNER
from sandbox.places import ACCOUNT, ALIAS, ENVIRONMENTS, FUNCTIONS, REGION, Home, Place
from sandbox.test_kit import described as test_kit
from sandbox.test_kit.place import QA

TIERS = {"preprod": "preprod", "prod": "production"}


def write(home: Home, terraform: str) -> None:
    """Write credentials, environment files and shell variables."""
    import yaml

    home.credentials.mkdir(parents=True, exist_ok=True)
    for name, value in (
        ("access-key-id", "sandbox"),
        ("secret-access-key", secrets.token_hex(20)),
        ("github-token", secrets.token_hex(20)),
        ("github-webhook-secret", secrets.token_hex(20)),
        ("qa-copies-key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()),
    ):
        file = home.credentials / name
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(value, encoding="utf-8")
    home.environments.mkdir(parents=True, exist_ok=True)
    files = {name: described(home, Place(name), terraform) for name in ENVIRONMENTS}
    for name, content in (files | {QA: test_kit.described(home)}).items():
        text = yaml.safe_dump(content, sort_keys=False, width=110)
        (home.environments / f"{name}.yaml").write_text(
            f"# Written by the practice sandbox.\n{text}", encoding="utf-8"
        )
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables(home).items()]
    home.environment_file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def described(home: Home, place: Place, terraform: str) -> dict[str, Any]:
    """One environment as Backstop's blocks describe it."""
    dashboard, others = (
        place.function("dashboard"),
        [place.function(p) for p in FUNCTIONS if p != "dashboard"],
    )
    key = {"source": "secrets_manager", "name": place.secret}
    addresses = home.addresses()
    return {
        "name": place.name,
        "tier": TIERS[place.name],
        "account": {
            "account_id": ACCOUNT,
            "region": REGION,
            "endpoint_url": addresses.aws_url,
            "access_key_id": {"source": "file", "name": str(home.credentials / "access-key-id")},
            "secret_access_key": {"source": "file", "name": str(home.credentials / "secret-access-key")},
        },
        "github": {
            "owner": OWNER,
            "name": NAME,
            "api_url": addresses.github_url,
            "token": {"source": "file", "name": str(home.credentials / "github-token")},
        },
        "platform": {
            "kind": "lambda",
            "functions": [
                *({"name": name, "package": name.rpartition("-")[2]} for name in others),
                {"name": dashboard, "package": "dashboard", "alias": ALIAS},
            ],
            "artifact_bucket": place.bucket,
            "package_key": "{function}/lambda-{release}.zip",
            "tables": [table(place)],
            "health": [{"name": "dashboard", "function": dashboard, "path": "/health", "key": key}],
            "alarm_prefix": place.alarm_prefix,
            "terraform": {
                "repository": str(home.repository),
                "directory": "infrastructure",
                "backend_config": f"backend-{place.name}.hcl",
                "var_file": f"{place.name}.tfvars",
                "release_variable": "model_version",
                "binary": terraform,
                "environment": terraform_variables(home),
            },
            "health_passes": 3,
            "health_interval_seconds": 0.5,
            "alarm_clear_seconds": 3.0,
            "verify_timeout_seconds": 60.0,
        },
        **({"drills": drills(place)} if place.name != "prod" else {}),
    }


def drills(place: Place) -> dict[str, Any]:
    """What may be broken on purpose by Backstop itself: nothing in prod."""
    locked = {"alarm": place.lock_alarm, "scenario": "stale-terraform-lock"}
    allowed = [{"fault": "broken-release"}, {"fault": "held-lock"} | locked, {"fault": "alarm-only"} | locked]
    return {"allowed": allowed, "timezone": "Europe/London"}


def table(place: Place) -> dict[str, Any]:
    """The table of the items; the tests of preprod put their run's id into the key."""
    found = {"name": place.table, "hash_key": "source_id", "range_key": "timestamp"}
    if place.name != "preprod":
        return found
    return found | {"test_marks": {"key_prefix": "test-{run}-", "written_attribute": "timestamp"}}


def terraform_variables(home: Home) -> dict[str, str]:
    """What Terraform needs beside credentials: where providers come from."""
    return {"TF_CLI_CONFIG_FILE": str(home.terraform_config), "AWS_EC2_METADATA_DISABLED": "true"}


def variables(home: Home) -> dict[str, str]:
    """What every AWS tool and Terraform need to reach the sandbox, and Backstop to find it."""
    return {
        "AWS_ENDPOINT_URL": home.addresses().aws_url,
        "AWS_ACCESS_KEY_ID": (home.credentials / "access-key-id").read_text(encoding="utf-8"),
        "AWS_SECRET_ACCESS_KEY": (home.credentials / "secret-access-key").read_text(encoding="utf-8"),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        **terraform_variables(home),
        "BACKSTOP_ENVIRONMENTS": str(home.environments),
        "BACKSTOP_SANDBOX": str(home.path),
    }


def own_variables(home: Home) -> dict[str, str]:
    """The environment of the sandbox's processes: this one's, without anybody's AWS or Terraform settings."""
    foreign = ("AWS_", "TF_", "MOTO_", "PREFECT_", "BACKSTOP_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # boto3 looks for configuration in the home folder: there is none of ours.
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
                   "AWS_SHARED_CREDENTIALS_FILE": os.devnull}  # fmt: skip
