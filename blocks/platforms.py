"""What is deployed in an environment, and how it is rolled back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from blocks.docker_stack import DockerStackPlatform
from blocks.health_endpoint import HealthEndpoint
from blocks.strict_block import StrictBlock
from blocks.terraform_workspace import TerraformWorkspace
from blocks.test_kit import KitPlatform
from rules.names import AttributeName, BucketName, FunctionName, TableName
from rules.polluted_items import RunMarks
from rules.values import Frozen


class LambdaFunction(Frozen):
    """One function of the service."""

    name: FunctionName = Field(
        title="Function", description="Its name in AWS, for instance prod-sentiment-dashboard."
    )
    package: FunctionName = Field(
        title="Package", description="Its name in the package key, for instance dashboard."
    )
    alias: FunctionName | None = Field(
        default=None,
        title="Alias",
        description="The alias callers use; empty: they call the function itself.",
    )


class DataTable(Frozen):
    """One DynamoDB table of the service: its key, and how test runs mark what they write."""

    name: TableName = Field(title="Table")
    hash_key: AttributeName = Field(title="Partition key")
    range_key: AttributeName | None = Field(
        default=None, title="Sort key", description="Empty: the table has none."
    )
    test_marks: RunMarks | None = Field(
        default=None,
        title="Marks of test items",
        description="Empty: tests do not mark what they write, and nothing is ever cleaned up here.",
    )

    @property
    def key(self) -> tuple[str, ...]:
        """The attributes that tell an item from every other."""
        return (self.hash_key, self.range_key) if self.range_key else (self.hash_key,)


class LambdaPlatform(StrictBlock):
    """A service of Lambda functions, deployed by Terraform from packages in a bucket."""

    _block_type_name = "Terraform and Lambda platform (Backstop)"
    _block_type_slug = "backstop-lambda-platform"
    _description = "A service of Lambda functions deployed by Terraform, and what proves it healthy."

    kind: Literal["lambda"] = Field(default="lambda", title="Kind of platform")
    functions: Annotated[list[LambdaFunction], Field(min_length=1, title="Functions")]
    artifact_bucket: BucketName = Field(title="Bucket of the packages")
    package_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9{}._/-]{1,300}$")] = Field(
        default="{function}/lambda-{release}.zip",
        title="Key of a package",
        description="{function} stands for the function's package name, {release} for the release.",
    )
    tables: list[DataTable] = Field(default_factory=list, title="Tables")
    health: list[HealthEndpoint] = Field(default_factory=list, title="Health endpoints")
    alarm_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]{1,200}$")] | None = Field(
        default=None,
        title="Alarm prefix",
        description="All alarms whose names begin with it speak for the service.",
    )
    terraform: TerraformWorkspace = Field(title="Terraform")
    health_passes: int = Field(
        default=3,
        ge=1,
        le=50,
        title="Healthy answers in a row",
        description="That many prove an endpoint healthy.",
    )
    health_interval_seconds: float = Field(default=2.0, gt=0, le=60, title="Seconds between two looks")
    alarm_clear_seconds: float = Field(
        default=30.0,
        ge=0,
        le=1800,
        title="Alarms clear for, in seconds",
        description="Every alarm must have been green without a break for so long.",
    )
    verify_timeout_seconds: float = Field(
        default=180.0,
        gt=0,
        le=3600,
        title="Longest verification, in seconds",
        description="Then the next way is tried.",
    )

    @field_validator("package_key")
    @classmethod
    def _names_both(cls, key: str) -> str:
        for placeholder in ("{function}", "{release}"):
            if placeholder not in key:
                raise ValueError(f"the package key must contain {placeholder}")
        bare = key.replace("{function}", "").replace("{release}", "")
        if "{" in bare or "}" in bare or ".." in bare or key.startswith("/"):
            raise ValueError("the package key knows {function} and {release} only, and no `..`")
        return key

    @model_validator(mode="after")
    def _names_known_functions(self) -> LambdaPlatform:
        names = [function.name for function in self.functions]
        if len(set(names)) != len(names):
            raise ValueError("a function is named twice")
        if len({table.name for table in self.tables}) != len(self.tables):
            raise ValueError("a table is named twice")
        for endpoint in self.health:
            if endpoint.function is not None and endpoint.function not in names:
                raise ValueError(
                    f"health endpoint `{endpoint.name}` names the unknown function `{endpoint.function}`"
                )
        return self

    def function(self, name: str) -> LambdaFunction:
        """The function of that name; KeyError when the platform has none."""
        for function in self.functions:
            if function.name == name:
                return function
        raise KeyError(name)

    def table(self, name: str) -> DataTable:
        """The table of that name; KeyError when the platform has none."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def package_location(self, function: LambdaFunction, release: str) -> str:
        """The key of a function's package of a release. Both names must have been checked."""
        return self.package_key.replace("{function}", function.package).replace("{release}", release)


Platform = Annotated[LambdaPlatform | DockerStackPlatform | KitPlatform, Field(discriminator="kind")]
"""Every platform an environment can have, told apart by its `kind`."""

KINDS = frozenset(
    str(platform.model_fields["kind"].default)
    for platform in (LambdaPlatform, DockerStackPlatform, KitPlatform)
)
"""The kinds of platform."""
