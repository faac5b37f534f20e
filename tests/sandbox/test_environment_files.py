"""Backstop can read what the sandbox writes about itself, and no secret is in it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from blocks.platforms import LambdaPlatform
from deployments.environments import load_environment
from rules.severity import Tier
from sandbox.world import Sandbox

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.mark.parametrize(("name", "tier"), [("prod", Tier.PRODUCTION), ("preprod", Tier.PREPROD)])
def test_backstop_reads_the_environments(fresh_sandbox: Sandbox, name: str, tier: Tier) -> None:
    """Both files load, and their account answers with the id they name and the key that callers need."""
    environment = load_environment(name, fresh_sandbox.home.environments)

    assert environment.tier is tier
    assert environment.aws.client("sts").get_caller_identity()["Account"] == environment.aws.account_id
    platform = environment.lambda_platform
    assert isinstance(platform, LambdaPlatform)
    key = platform.health[0].key
    assert key is not None
    text = (fresh_sandbox.home.environments / f"{name}.yaml").read_text()
    assert key.read(environment.account).get_secret_value() not in text
    assert (fresh_sandbox.home.credentials / "secret-access-key").read_text() not in text


def test_aws_tools_reach_it_with_its_variables(fresh_sandbox: Sandbox) -> None:
    """Sourcing environment.env in a shell is enough for an SDK to find it."""
    python = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    script = f'. {fresh_sandbox.home.environment_file} && {sys.executable} -c "{python}"'

    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "123456789012"
