"""A Terraform configuration in a Git repository, and how it is run."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from blocks.secret_reference import SecretReference
from blocks.strict_block import StrictBlock
from rules.names import RelativePath, VariableName
from rules.reverts import RevertBy

EnvironmentVariable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
_LOOKS_SECRET = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|PRIVATE|CREDENTIAL|API_?KEY|ACCESS_KEY", re.IGNORECASE
)


class TerraformWorkspace(StrictBlock):
    """Which infrastructure code deploys a release, and with which Terraform."""

    _block_type_name = "Terraform workspace (Backstop)"
    _block_type_slug = "backstop-terraform-workspace"
    _description = "The Git repository, folder, backend and variables a release is deployed with."

    repository: str = Field(
        pattern=r"^(https?://|ssh://|file://|git@|/|~/|\./|[A-Za-z0-9_])[^\s]{0,400}$",
        title="Git repository",
        description="Address or path of the repository that holds the infrastructure code.",
    )
    release_reference: str = Field(
        default="{release}",
        pattern=r"^([A-Za-z0-9._/][A-Za-z0-9._/-]*)?\{release\}[A-Za-z0-9._/-]*$",
        title="Release in Git",
        description="Its name in Git: {release} for a commit, v{release} or refs/tags/{release} for a tag.",
    )
    directory: RelativePath = Field(
        default="infrastructure", title="Folder", description="Folder of the Terraform configuration."
    )
    backend_config: RelativePath | None = Field(
        default=None,
        title="Backend file",
        description="File of backend settings within the folder, for instance backend-prod.hcl.",
    )
    var_file: RelativePath | None = Field(
        default=None, title="Variables file", description="File within the folder, for instance prod.tfvars."
    )
    release_variable: VariableName = Field(
        default="model_version",
        title="Release variable",
        description="The Terraform variable that takes the release.",
    )
    variables: dict[VariableName, str] = Field(
        default_factory=dict, title="Further variables", description="Given on every run. No secrets."
    )
    revert_by: RevertBy = Field(
        default=RevertBy.PULL_REQUEST,
        title="How a broken commit is reverted",
        description="By a pull request (on GitHub, if one is set), or pushed to the default branch at once.",
    )
    binary: str = Field(
        default="terraform",
        pattern=r"^[A-Za-z0-9._/~][A-Za-z0-9._/~+-]{0,300}$",
        title="Binary",
        description="`terraform`, `tofu`, or a path.",
    )
    environment: dict[EnvironmentVariable, str] = Field(
        default_factory=dict,
        title="Environment variables",
        description="Given to Terraform, for instance TF_CLI_CONFIG_FILE. No secrets.",
    )
    secret_environment: dict[EnvironmentVariable, SecretReference] = Field(
        default_factory=dict,
        title="Secret environment variables",
        description="Read when Terraform starts, for instance TF_VAR_api_key.",
    )
    parallelism: int = Field(default=10, ge=1, le=256, title="Resources changed at the same time")
    init_timeout_seconds: float = Field(default=120.0, gt=0, title="Longest init, in seconds")
    timeout_seconds: float = Field(
        default=240.0,
        gt=0,
        title="Longest plan or apply, in seconds",
        description="Then it is interrupted, once.",
    )
    lock_timeout_seconds: int = Field(
        default=20,
        ge=0,
        title="Longest wait for a live state lock, in seconds",
        description="Then the next way is tried.",
    )

    @field_validator("repository")
    @classmethod
    def _is_no_command(cls, address: str) -> str:
        if "::" in address:
            raise ValueError(
                "an address with `::` makes git run a helper program; give a plain address or path"
            )
        return address

    @field_validator("environment")
    @classmethod
    def _choose_no_workspace(cls, given: dict[str, str]) -> dict[str, str]:
        """Its lock and its state would lie elsewhere than where they are looked for."""
        if "TF_WORKSPACE" in given:
            raise ValueError(
                "TF_WORKSPACE is not supported: give each environment a backend file with a key of its own"
            )
        return given

    @field_validator("environment")
    @classmethod
    def _hold_no_secret(cls, given: dict[str, str]) -> dict[str, str]:
        for name in given:
            if _LOOKS_SECRET.search(name):
                raise ValueError(
                    f"`{name}` looks like a secret: put where it is kept under `secret_environment`"
                )
        return given
