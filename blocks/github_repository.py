"""A repository on GitHub, and as whom we ask and act there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import Field

from blocks.secret_reference import SecretReference
from blocks.strict_block import StrictBlock
from rules.names import BranchName, WorkflowFile

if TYPE_CHECKING:
    import httpx
    from githubkit import GitHub, TokenAuthStrategy
    from githubkit.exception import GitHubException
    from githubkit.retry import RetryOption

    from blocks.aws_account import AwsAccount

LONGEST_WAIT = 20.0
"""Seconds. A rate limit that ends sooner is waited out within the call; a longer one is raised."""
_MOST_WAITS = 2


class GithubRepository(StrictBlock):
    """Which repository, where its API is, where its token is kept, and which workflow deploys."""

    _block_type_name = "GitHub repository (Backstop)"
    _block_type_slug = "backstop-github-repository"
    _description = (
        "The GitHub repository whose workflow runs, pull requests and issues belong to an environment."
    )

    owner: str = Field(
        pattern=r"^[A-Za-z0-9](-?[A-Za-z0-9]){0,38}$",
        title="Owner",
        description="Organisation or user, for instance acme.",
    )
    name: str = Field(
        pattern=r"^\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,97}$",
        title="Name",
        description="Of the repository alone.",
    )
    api_url: str = Field(
        default="https://api.github.com",
        pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,200}(/api/v3)?/?$",
        title="API",
        description="GitHub Enterprise: https://github.example.com/api/v3.",
    )
    token: SecretReference = Field(
        title="Token",
        description="Where it is kept. It needs actions, pull requests and issues: write; contents: read.",
    )
    default_branch: BranchName = Field(default="main", title="Default branch")
    deploy_workflow: WorkflowFile = Field(
        default="build-and-promote.yml",
        title="Workflow that deploys",
        description="Its file in .github/workflows.",
    )

    @property
    def full_name(self) -> str:
        """Owner and name, as GitHub writes them."""
        return f"{self.owner}/{self.name}"

    def client(self, account: AwsAccount | None = None) -> GitHub[TokenAuthStrategy]:
        """A new client. Used in a `with`, its requests share one connection.

        `account`: needed where the token is kept in AWS. No answer is cached, and only rate limits that end within
        `LONGEST_WAIT` are waited out here: other retries are the tasks' matter. Time limits: 3 s to connect,
        15 s between two pieces of an answer. Run its calls within `blocks.github_errors.translated`.

        Raises:
            StepFailed: the token cannot be read.
        """
        import httpx
        from githubkit import GitHub, TokenAuthStrategy

        return GitHub(
            TokenAuthStrategy(self.token.read(account).get_secret_value()),
            base_url=self.api_url,
            user_agent="backstop",
            timeout=httpx.Timeout(15.0, connect=3.0),
            http_cache=False,
            auto_retry=_wait_out,
            event_hooks={"request": [_without_version]} if "/api/v3" in self.api_url else None,
        )


def _without_version(request: httpx.Request) -> None:
    """GitHub Enterprise Server knows older versions of the API only, and refuses one that it does not know."""
    request.headers.pop("X-GitHub-Api-Version", None)


def _wait_out(error: GitHubException, waits: int) -> RetryOption:
    from githubkit.exception import RateLimitExceeded
    from githubkit.retry import RetryOption

    if not isinstance(error, RateLimitExceeded) or waits >= _MOST_WAITS:
        return RetryOption(do_retry=False)
    wait = max(error.retry_after, timedelta(seconds=1))  # githubkit makes a minute of nothing
    return RetryOption(do_retry=wait.total_seconds() <= LONGEST_WAIT, retry_after=wait)
