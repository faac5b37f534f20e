"""An environment: a place with a tier, an account and a platform."""

from __future__ import annotations

from pydantic import Field

from blocks.aws_account import AwsAccount
from blocks.escalation_path import EscalationPath
from blocks.github_repository import GithubRepository
from blocks.platforms import Platform
from blocks.strict_block import StrictBlock
from rules.approvals import Policy
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
    account: AwsAccount = Field(title="AWS account")
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
    escalation: EscalationPath = Field(
        default_factory=EscalationPath,
        title="Escalation",
        description="Who is told, and who is paged after how long.",
    )
