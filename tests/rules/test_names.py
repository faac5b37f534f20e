"""Names that reach a command line or a path."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from rules.errors import RecoveryRefused
from rules.names import EnvironmentName, RelativePath, commit_id, release_name

BAD_RELEASES = [
    "",
    "-rf",
    "a b",
    "a;b",
    "$(x)",
    "../x",
    "a..b",
    "a/b",
    "a\n",
    "é",
    "x" * 81,
    "--upload-pack=x",
]


@pytest.mark.parametrize("name", BAD_RELEASES)
def test_a_release_that_could_be_something_else_is_refused(name: str) -> None:
    """An option, a path, a command or a second line is no release."""
    with pytest.raises(RecoveryRefused) as refused:
        release_name(name)

    assert refused.value.hint


@pytest.mark.parametrize("name", ["4f0c9e1", "v1.2.3", "2026-01-05_3", "a" * 80])
def test_commits_and_versions_are_releases(name: str) -> None:
    """Nothing usual is refused."""
    assert release_name(name) == name


@pytest.mark.parametrize("text", ["4f0c9e1", "g" * 40, "-" * 40, "A" * 40])
def test_a_commit_is_given_whole(text: str) -> None:
    """Only a full id in lower case is a commit id."""
    with pytest.raises(RecoveryRefused):
        commit_id(text)


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../b", "-x", "a b", ""])
def test_a_path_stays_inside(path: str) -> None:
    """Never absolute, never upwards, never an option."""
    with pytest.raises(ValidationError):
        TypeAdapter(RelativePath).validate_python(path)


@pytest.mark.parametrize("name", ["Prod", "p", "prod_1", "-prod", "prod/x", "x" * 32])
def test_an_environment_has_a_plain_name(name: str) -> None:
    """It becomes part of paths, keys and artifact names."""
    with pytest.raises(ValidationError):
        TypeAdapter(EnvironmentName).validate_python(name)
