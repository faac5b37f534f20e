"""An environment: a place with a tier, an account and a platform."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from blocks.aws_account import AwsAccount
from blocks.docker_stack import DockerStackPlatform
from blocks.escalation_path import EscalationPath
from blocks.github_repository import GithubRepository
from blocks.platforms import LambdaPlatform, Platform
from blocks.strict_block import StrictBlock
from blocks.test_kit import KitPlatform
from rules.approvals import Policy
from rules.drills import DrillPolicy
from rules.errors import RecoveryRefused
from rules.freezes import FreezeWindow
from rules.names import EnvironmentName
from rules.severity import Tier


class Environment(StrictBlock):
    """A place that can be rolled back: how much it matters, whose it is, what runs there, who is told."""

    _block_type_name = "Environment (Backstop)"
    _block_type_slug = "environment"
    _description = "A place that can be rolled back: its tier, account, platform, approvals and escalation."

    name: EnvironmentName = Field(title="Name", description="Lower case, for instance prod.")
    tier: Tier = Field(title="Tier", description="How much it matters; decides who must approve.")
    account: AwsAccount | None = Field(
        default=None,
        title="AWS account",
        description="Whose it is. Empty: nothing there is on AWS, as for a Docker stack.",
    )
    platform: Platform = Field(
        title="Platform", description="What is deployed there and how it is rolled back."
    )
    github: GithubRepository | None = Field(
        default=None,
        title="GitHub repository",
        description="Whose workflows build and promote what runs here. Empty: nothing is asked of GitHub.",
    )
    automatic_up_to: Policy | None = Field(
        default=None,
        title="Act without asking up to",
        description="Waives approvals up to this one, never for what destroys data. Empty: the usual rules.",
    )
    freeze_windows: list[FreezeWindow] = Field(
        default_factory=list,
        title="Freeze windows",
        description="Times in which nothing may be changed, except past the guard with a written reason.",
    )
    drills: DrillPolicy = Field(
        default_factory=DrillPolicy,
        title="Drills",
        description="What may be broken here on purpose, and when. Empty: nothing.",
    )
    escalation: EscalationPath = Field(
        default_factory=EscalationPath,
        title="Escalation",
        description="Who is told, and who is paged after how long.",
    )

    @field_validator("platform", mode="before")
    @classmethod
    def _is_lambda_when_nothing_is_said(cls, platform: object) -> object:
        return {"kind": "lambda", **platform} if isinstance(platform, dict) else platform

    @model_validator(mode="after")
    def _has_what_its_platform_needs(self) -> Environment:
        if isinstance(self.platform, LambdaPlatform) and self.account is None:
            raise ValueError("an environment of Lambda functions needs `account`")
        if isinstance(self.platform, KitPlatform) and self.account is None:
            raise ValueError("an environment of a test kit needs `account`")
        if (
            isinstance(self.platform, DockerStackPlatform)
            and self.platform.backups.bucket
            and self.account is None
        ):
            raise ValueError("backups in a bucket need `account`")
        return self

    @property
    def aws(self) -> AwsAccount:
        """Its AWS account.

        Raises:
            RecoveryRefused: it has none; nothing was changed.
        """
        if self.account is None:
            raise RecoveryRefused(
                f"{self.name} has no AWS account.",
                hint="Choose an environment on AWS, or give it an `account`.",
            )
        return self.account

    @property
    def lambda_platform(self) -> LambdaPlatform:
        """Its Lambda functions and their Terraform.

        Raises:
            RecoveryRefused: something else is deployed there; nothing was changed.
        """
        if not isinstance(self.platform, LambdaPlatform):
            raise _other_platform(self, "a Terraform and Lambda service")
        return self.platform

    @property
    def docker_stack(self) -> DockerStackPlatform:
        """Its Docker stack.

        Raises:
            RecoveryRefused: something else is deployed there; nothing was changed.
        """
        if not isinstance(self.platform, DockerStackPlatform):
            raise _other_platform(self, "a Docker stack")
        return self.platform

    @property
    def service(self) -> LambdaPlatform | DockerStackPlatform:
        """What is deployed there, of any kind that has health endpoints.

        Raises:
            RecoveryRefused: nothing is; nothing was changed.
        """
        if isinstance(self.platform, KitPlatform):
            raise _other_platform(self, "a service")
        return self.platform

    @property
    def test_kit(self) -> KitPlatform:
        """Its test kit and queues.

        Raises:
            RecoveryRefused: something else is deployed there; nothing was changed.
        """
        if not isinstance(self.platform, KitPlatform):
            raise _other_platform(self, "a test kit")
        return self.platform


def _other_platform(environment: Environment, wanted: str) -> RecoveryRefused:
    return RecoveryRefused(
        f"This needs {wanted}, and {environment.name} is of the kind `{environment.platform.kind}`.",
        hint="Choose an environment of the right kind; `backstop scenarios` says what each scenario is for.",
    )
