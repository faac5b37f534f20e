"""Environment files: the examples load, and what is wrong with one is said in one sentence with a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.environments import environment_names, load_all, load_environment
from rules.errors import RecoveryRefused

EXAMPLES = Path(__file__).parents[2] / "deployments" / "environments"
PROD = (EXAMPLES / "prod.yaml").read_text()


def test_the_examples_load() -> None:
    """The documented examples are valid, and their names are their files'."""
    assert (
        [one.name for one in load_all(EXAMPLES)]
        == environment_names(EXAMPLES)
        == ["masking", "preprod", "prod", "qa"]
    )


def test_an_unknown_environment_is_refused_with_the_nearest_name() -> None:
    """A misspelt name is refused, and the right one is offered."""
    with pytest.raises(RecoveryRefused, match=r"There is no environment `prd` .*Did you mean `prod`"):
        load_environment("prd", EXAMPLES)


@pytest.mark.parametrize("name", ["../prod", "Prod", "", "-x", "a" * 60, "prod\n", "prod.yaml"])
def test_a_name_that_is_no_name_never_becomes_a_path(name: str) -> None:
    """What could leave the folder or an option is refused before any file is looked at."""
    with pytest.raises(RecoveryRefused, match="cannot be an environment's name"):
        load_environment(name, EXAMPLES)


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("account:\n", "acount:\n", "unknown key `acount`.*Did you mean `account`"),
        (
            "artifact_bucket",
            "artefact_bucket",
            "unknown key `artefact_bucket`.*Did you mean `artifact_bucket`",
        ),
        ("alias: live", "alais: live", "unknown key `platform.functions.2.alais`.*Did you mean `alias`"),
        ("tier: production", "tier: prodution", "wrong at `tier`: input should be 'development', 'qa'"),
        (
            "timeout_seconds: 240",
            "timeout_seconds: -1",
            "`platform.terraform.timeout_seconds`: .*greater than 0",
        ),
        ("name: prod\n", "name: production\n", "describes the environment `production`"),
        ("kind: lambda", "kind: lambda\n  alarm_prefix: x", "`alarm_prefix` is given twice"),
        ("platform:\n", "platform\n", "not proper YAML"),
        (
            "{source: secrets_manager, name: prod/sentiment/dashboard-api-key}",
            "k3y-in-clear-9x8",
            "does not say where the secret `platform.health.0.key` is kept",
        ),
        (
            "region: us-east-1",
            "region: us-east-1\n  password: hunter2!",
            "holds a secret at `account.password`",
        ),
        ("region: us-east-1", "region: us-east-1\n  token: abc-123-def", "holds a secret at `account.token`"),
        ("https://git", "https://me:s3cr3t@git", "holds a secret at `platform.terraform.repository`"),
    ],
)
def test_what_is_wrong_is_said_once_with_a_hint(
    tmp_path: Path, written: str, instead: str, said: str
) -> None:
    """Each fault gives one error that names the place, a hint, and never a secret's value."""
    assert written in PROD
    (tmp_path / "prod.yaml").write_text(PROD.replace(written, instead, 1))

    with pytest.raises(RecoveryRefused, match=said) as refusal:
        load_environment("prod", tmp_path)

    assert refusal.value.hint
    assert not any(secret in str(refusal.value) for secret in ("hunter2", "abc-123", "s3cr3t", "k3y-in"))


def test_a_file_that_is_no_mapping_or_no_text_is_refused(tmp_path: Path) -> None:
    """A list and bytes that are no text are refused like every other fault."""
    (tmp_path / "list.yaml").write_text("- a\n")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")

    for name in ("list", "bytes"):
        with pytest.raises(RecoveryRefused):
            load_environment(name, tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """No environment at all is an error with a hint, not an empty list that removes everything."""
    with pytest.raises(RecoveryRefused, match="BACKSTOP_ENVIRONMENTS"):
        load_all(tmp_path)
