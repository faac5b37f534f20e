"""GitHub's errors become ours once: what may be tried again, what needs another token, how long to wait."""

from __future__ import annotations

import subprocess
import sys
import time

import httpx
import pytest
import respx

from blocks.github_errors import Conflict, NotOnGithub, RateLimited, translated
from blocks.github_repository import GithubRepository
from blocks.secret_reference import SecretReference
from rules.errors import StepFailed, TransientFailure

TOKEN = "planted-token-1234"
RUN = "https://api.github.com/repos/acme/sentiment-service/actions/runs/7/cancel"


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> GithubRepository:
    """A repository whose token is a variable."""
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    token = SecretReference(source="environment", name="GITHUB_TOKEN")
    return GithubRepository(owner="acme", name="sentiment-service", token=token)


def cancel(repository: GithubRepository) -> None:
    """Ask GitHub to cancel a run."""
    with translated("cancel the run 7"), repository.client() as github:
        github.rest.actions.cancel_workflow_run(repository.owner, repository.name, 7)


@respx.mock
def test_the_token_is_sent_and_told_nobody(repository: GithubRepository) -> None:
    """GitHub gets it; neither the block's text nor its stored form holds it."""
    route = respx.post(RUN).respond(202, json={})

    cancel(repository)

    assert route.calls.last.request.headers["authorization"] == f"token {TOKEN}"
    assert TOKEN not in repr(repository) + repository.model_dump_json()


@respx.mock
def test_an_enterprise_server_is_asked_in_its_own_version(repository: GithubRepository) -> None:
    """Its API is below /api/v3, and it would refuse the version of github.com."""
    own = repository.model_copy(update={"api_url": "https://github.example.com/api/v3"})
    theirs = respx.post(RUN).respond(202, json={})
    ours = respx.post(RUN.replace("api.github.com", "github.example.com/api/v3")).respond(202, json={})

    cancel(repository)
    cancel(own)

    assert "x-github-api-version" in theirs.calls.last.request.headers
    assert "x-github-api-version" not in ours.calls.last.request.headers


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (httpx.Response(401, json={"message": "Bad credentials"}), StepFailed, "store a new one"),
        (
            httpx.Response(
                403,
                json={"message": "Resource not accessible by personal access token"},
                headers={"x-accepted-github-permissions": "actions=write"},
            ),
            StepFailed,
            "actions=write",
        ),
        (httpx.Response(404, json={"message": "Not Found"}), NotOnGithub, "owner and name"),
        (httpx.Response(409, json={"message": "is completed"}), Conflict, "is completed"),
        (httpx.Response(422, json={"message": "Validation Failed"}), StepFailed, "Validation Failed"),
        (
            httpx.Response(422, json={"message": "Bad", "errors": [{"message": "it is"}]}),
            StepFailed,
            "Bad it is",
        ),
        (
            httpx.Response(422, json={"message": "Bad", "errors": [{"field": "head", "code": "invalid"}, 7]}),
            StepFailed,
            "Bad head is invalid",
        ),
        (httpx.Response(502, text="<html>"), TransientFailure, "502"),
    ],
    ids=["wrong token", "permission", "not there", "conflict", "wrong call", "why", "field", "bad gateway"],
)
@respx.mock
def test_an_answer_becomes_the_error_that_fits(
    repository: GithubRepository, answer: httpx.Response, kind: type[StepFailed], told: str
) -> None:
    """Exactly 5xx may be tried again, and each says what to do."""
    respx.post(RUN).mock(return_value=answer)

    with pytest.raises(StepFailed) as raised:
        cancel(repository)

    assert type(raised.value) is kind
    assert told in str(raised.value)


@pytest.mark.parametrize("fault", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
@respx.mock
def test_a_lost_connection_may_be_tried_again(repository: GithubRepository, fault: Exception) -> None:
    """Nobody knows whether the request arrived; actions look before they act."""
    respx.post(RUN).mock(side_effect=fault)

    with pytest.raises(TransientFailure):
        cancel(repository)


@respx.mock
def test_a_used_up_rate_limit_says_until_when(repository: GithubRepository) -> None:
    """Primary limit: not retried at once, and the wait is known."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 900)}
    route = respx.post(RUN).respond(403, json={"message": "API rate limit exceeded"}, headers=headers)

    with pytest.raises(RateLimited, match="used up until") as raised:
        cancel(repository)

    assert 890 < raised.value.retry_after_seconds <= 900
    assert route.call_count == 1


@respx.mock
def test_a_short_pause_is_waited_out(repository: GithubRepository) -> None:
    """Secondary limit: the request is sent again after the pause GitHub asked for, a long one is raised."""
    message = {"message": "You have exceeded a secondary rate limit."}
    route = respx.post(RUN)
    route.side_effect = [
        httpx.Response(403, json=message, headers={"retry-after": "0"}),
        httpx.Response(202, json={}),
        httpx.Response(429, json=message, headers={"retry-after": "120"}),
    ]

    cancel(repository)
    assert route.call_count == 2
    with pytest.raises(RateLimited, match="secondary") as raised:
        cancel(repository)

    assert raised.value.retry_after_seconds == pytest.approx(120.0)


@respx.mock
def test_an_answer_of_somebody_else_is_no_run(repository: GithubRepository) -> None:
    """A proxy's login page, or another product's API, is refused with the place that does not fit."""
    respx.get(RUN.removesuffix("/cancel")).respond(200, json={"id": "seven"})

    with (
        pytest.raises(StepFailed, match="not as documented"),
        translated("read the run 7"),
        repository.client() as github,
    ):
        assert github.rest.actions.get_workflow_run("acme", "sentiment-service", 7).parsed_data


def test_naming_a_repository_imports_no_client() -> None:
    """The frame and the command line do not pay for GitHub's schemas."""
    code = "import sys, blocks.environment; sys.exit('githubkit' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
