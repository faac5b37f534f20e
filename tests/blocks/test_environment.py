"""Environments as their files describe them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from blocks.environment import Environment
from rules.severity import Tier

DESCRIBED: dict[str, Any] = {
    "name": "prod",
    "tier": "production",
    "account": {"account_id": "123456789012", "region": "eu-west-1"},
    "github": {
        "owner": "acme",
        "name": "sentiment-service",
        "token": {"source": "environment", "name": "GITHUB_TOKEN"},
    },
    "freeze_windows": [{"start": "2026-12-24T00:00:00Z", "end": "2026-12-27T00:00:00Z"}],
    "platform": {
        "functions": [
            {"name": "prod-sentiment-ingestion", "package": "ingestion"},
            {"name": "prod-sentiment-dashboard", "package": "dashboard", "alias": "live"},
        ],
        "artifact_bucket": "prod-sentiment-deployments",
        "health": [
            {
                "name": "dashboard",
                "function": "prod-sentiment-dashboard",
                "key": {"source": "secrets_manager", "name": "prod/sentiment/dashboard-api-key"},
            }
        ],
        "alarm_prefix": "prod-sentiment-",
        "terraform": {
            "repository": "https://git.example.com/sentiment.git",
            "backend_config": "backend-prod.hcl",
            "var_file": "prod.tfvars",
        },
    },
}

Edit = Callable[[dict[str, Any]], object]


def test_an_environment_survives_its_way_through_prefect() -> None:
    """What Prefect stores (JSON, with its own keys beside ours) gives the same environment back."""
    environment = Environment(**DESCRIBED)

    stored = json.loads(environment.model_dump_json())

    assert stored["block_type_slug"] == "environment"
    assert Environment.model_validate(stored) == environment
    assert environment.tier is Tier.PRODUCTION


def test_the_names_prefect_keys_blocks_by_stay_fixed() -> None:
    """Renaming a class or slug would orphan every saved block."""
    assert Environment.get_block_type_slug() == "environment"
    assert Environment.__name__ == "Environment"


BAD: dict[str, tuple[Edit, str]] = {
    "a misspelt key": (lambda e: e.update(freeze_window=[]), "Did you mean `freeze_windows`?"),
    "a misspelt key deep inside": (
        lambda e: e["platform"]["terraform"].update(bynary="x"),
        "Did you mean `binary`?",
    ),
    "a misspelt key of a function": (lambda e: e["platform"]["functions"][0].update(alais="live"), "alais"),
    "a repository with its owner in its name": (lambda e: e["github"].update(name="acme/sentiment"), "name"),
    "a repository that climbs": (lambda e: e["github"].update(name=".."), "name"),
    "a GitHub without its scheme": (lambda e: e["github"].update(api_url="api.github.com"), "api_url"),
    "a branch that is an option": (lambda e: e["github"].update(default_branch="--all"), "default_branch"),
    "a workflow in a folder": (lambda e: e["github"].update(deploy_workflow="../x.yml"), "deploy_workflow"),
    "a short account": (lambda e: e["account"].update(account_id="1234"), "account_id"),
    "a bad region": (lambda e: e["account"].update(region="ireland"), "region"),
    "an unknown tier": (lambda e: e.update(tier="prod"), "tier"),
    "a name with a path": (lambda e: e.update(name="../prod"), "name"),
    "a package key without the release": (
        lambda e: e["platform"].update(package_key="{function}.zip"),
        "{release}",
    ),
    "a package key that climbs": (
        lambda e: e["platform"].update(package_key="../{function}/{release}.zip"),
        "no `..`",
    ),
    "a health endpoint of nobody": (
        lambda e: e["platform"]["health"][0].update(function="other"),
        "unknown function",
    ),
    "a health endpoint nowhere": (lambda e: e["platform"]["health"][0].pop("function"), "url"),
    "a password in an address": (
        lambda e: e["platform"]["health"][0].update(url="https://me:word@example.com"),
        "url",
    ),
    "a function twice": (
        lambda e: e["platform"]["functions"].append({"name": "prod-sentiment-ingestion", "package": "x"}),
        "named twice",
    ),
    "a repository that runs a command": (
        lambda e: e["platform"]["terraform"].update(repository="ext::sh -c id"),
        "repository",
    ),
    "a repository that is an option": (
        lambda e: e["platform"]["terraform"].update(repository="--upload-pack=id"),
        "repository",
    ),
    "a folder outside": (lambda e: e["platform"]["terraform"].update(directory="../x"), "directory"),
    "a secret among the variables": (
        lambda e: e["platform"]["terraform"].update(environment={"TF_VAR_api_token": "x"}),
        "secret_environment",
    ),
    "a workspace chosen beside the backend file": (
        lambda e: e["platform"]["terraform"].update(environment={"TF_WORKSPACE": "preprod"}),
        "TF_WORKSPACE",
    ),
    "a freeze that ends before it starts": (
        lambda e: e["freeze_windows"][0].update(end="2026-12-01T00:00:00Z"),
        "end after",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case: str) -> None:
    """One clear error for each, that names what is wrong."""
    edit, told = BAD[case]
    described = copy.deepcopy(DESCRIBED)
    edit(described)

    with pytest.raises(ValidationError) as refused:
        Environment(**described)

    assert told in str(refused.value)
