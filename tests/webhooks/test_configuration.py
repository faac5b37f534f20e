"""The routes file and the settings: what is wrong is one clear error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flows._alarm_routes import load_configuration
from rules.errors import RecoveryRefused
from webhooks.serve import main
from webhooks.settings import WebhookSettings

SHIPPED = Path(__file__).parents[2] / "deployments/alarm_routes.yaml"

PROD = "environments: {prod: {account: '111111111111', region: us-east-1}}\n"
HOOK = PROD + "senders: {hook: {format: github, token: {source: environment, name: X}}}\n"
ROUTED = (
    HOOK + "routes: [{alarm: x, source: hook, scenario: preprod-terraform-failure, environment: prod, %s}]"
)


def test_the_shipped_file_is_right() -> None:
    """The file in the repository can be loaded, and it names topics, senders and routes."""
    configuration = load_configuration(SHIPPED)

    assert configuration.topics
    assert configuration.senders
    assert configuration.routes


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("topic: []", "topic: Extra inputs"),
        ("topics: [arn:aws:sqs:us-east-1:111111111111:x]", "topics.0"),
        ("senders: {sns: {format: generic, token: {source: environment, name: X}}}", "`sns` is the name"),
        ("senders: {ci: {format: xml, token: {source: environment, name: X}}}", "senders.ci.format"),
        ("senders: {ci: {format: generic, token: hunter2}}", "senders.ci.token"),
        ("routes: [{alarm: x, scenario: canary-failure, environment: prod}]", "environments"),
        (
            HOOK + "routes: [{alarm: x, source: hook, scenario: stuck-alarm, environment: prod}]",
            "`repository`",
        ),
        (ROUTED % "labels: {repository: o/r, brunch: main}", "label 'brunch'"),
        (ROUTED % "labels: {repository: o/r}, parameters: {release: '{run}'}", "label 'run'"),
        (ROUTED % "labels: {repository: o/r}, parameters: {commit: x}", "unknown parameter 'commit'"),
        (PROD + "routes: [{alarm: x, scenario: canary-failures, environment: prod}]", "does not exist"),
        (PROD + "routes: [{alarm: x, scenario: stuck-alarm, environment: prod}]", "its parameter 'alarm'"),
        ("a: [", "not YAML"),
        ("[]", "wrong"),
    ],
)
def test_a_wrong_file(tmp_path: Path, text: str, fault: str) -> None:
    """Each mistake is named with its place, and no value of the file is repeated."""
    path = tmp_path / "routes.yaml"
    path.write_text(text)

    with pytest.raises(RecoveryRefused, match=fault) as refused:
        load_configuration(path)
    assert refused.value.hint
    assert "hunter2" not in str(refused.value)


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its routes file the receiver does not start, and says where it looked."""
    assert main(["--routes", str(tmp_path / "none.yaml")]) == 1
    assert "none.yaml cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "half", [{"certificate_host": "localhost:1"}, {"certificate_ca": "/x"}, {"certificate_host": "localhost"}]
)
def test_half_a_further_host(half: dict[str, str]) -> None:
    """The further certificate host is configured wholly or not at all."""
    with pytest.raises(ValueError, match="certificate_host"):
        WebhookSettings.model_validate(half)


def test_prefect_is_not_imported() -> None:
    """The receiver starts without Prefect, boto3 and Apprise: they cost seconds and are rarely needed."""
    told = (
        "import sys, webhooks.serve; print([m for m in ('prefect', 'boto3', 'apprise') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
