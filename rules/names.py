"""The names that reach a command line, a path or a key: what they may look like."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from rules.errors import RecoveryRefused

EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
"""Lower case letters, digits and hyphens: it becomes part of paths, keys and artifact names."""

ReleaseName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
"""A commit or a version: it reaches git, Terraform and S3 keys, and never starts with a hyphen."""

FunctionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
AlarmName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _./:()+=@-]{0,254}$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9/_+=.@:-]{1,512}$")]
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
TableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{3,255}$")]
AttributeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,255}$")]
ProjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A Compose project, as Compose itself takes it."""

ServiceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
RegionName = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+){1,2}-[0-9]$")]
AccountId = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]


def _never_upwards(path: str) -> str:
    if ".." in path:
        raise ValueError("a path may not contain `..`")
    return path


def _runs_nothing(address: str) -> str:
    if "::" in address:
        raise ValueError("an address with `::` makes git run a helper program")
    return address


RelativePath = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._][A-Za-z0-9._/-]{0,199}$"), AfterValidator(_never_upwards)
]
"""A path inside a repository: never absolute, never upwards, never an option."""

BranchName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}$"), AfterValidator(_never_upwards)
]
"""A Git branch: it reaches git and GitHub, and never starts with a hyphen."""

StateFile = Annotated[
    str, StringConstraints(pattern=r"^/[^\x00-\x1f]{1,400}\.tfstate$"), AfterValidator(_never_upwards)
]
"""The whole path of a Terraform state on the host where the flow runs."""

FolderPath = Annotated[
    str, StringConstraints(pattern=r"^[/~][A-Za-z0-9 ._~@+/-]{0,399}$"), AfterValidator(_never_upwards)
]
"""An absolute folder of the host, or one below the home of whoever runs Backstop; never upwards."""

RepositoryAddress = Annotated[
    str,
    StringConstraints(pattern=r"^(https?://|ssh://|file://|git@|/|~/)[A-Za-z0-9._~@:/+-]{1,400}$"),
    AfterValidator(_never_upwards),
    AfterValidator(_runs_nothing),
]
"""A Git repository's address or path: never an option, never a helper program."""

QueueUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:-]{1,200}/[0-9]{12}/[A-Za-z0-9_-]{1,75}(\.fifo)?$")
]
"""The address of an SQS queue."""

RunId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")]
"""A test run: the name of its folder, and of what it marks."""

CorrelationId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,199}$")]

LogGroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_/.#-]{1,512}$")]

WorkflowFile = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.ya?ml$")]
"""The file of a GitHub workflow, without its folder."""

VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def release_name(text: str) -> str:
    """The release's name, checked.

    Raises:
        RecoveryRefused: it cannot be the name of a release.
    """
    if not _RELEASE.fullmatch(text) or ".." in text:
        raise RecoveryRefused(
            f"{text[:90]!r} cannot be the name of a release.",
            hint="A release is a commit or a version: letters, digits, dot, underscore and hyphen.",
        )
    return text


def commit_id(text: str) -> str:
    """The full id of a commit, checked.

    Raises:
        RecoveryRefused: it is not a full commit id.
    """
    if not _COMMIT.fullmatch(text):
        raise RecoveryRefused(
            f"{text[:90]!r} is not a commit id.", hint="A full commit id has 40 (or 64) hexadecimal digits."
        )
    return text
