"""An environment that test runs are made in: its queues, the kit's folders, and what marks a run's traces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from blocks.aws_account import AwsAccount
from blocks.secret_reference import SecretReference
from blocks.strict_block import StrictBlock
from rules.names import AccountId, AttributeName, BucketName, FolderPath, LogGroupName, QueueUrl, VariableName
from rules.values import Frozen


class KitQueue(Frozen):
    """One queue of the environment."""

    url: QueueUrl = Field(title="Address", description="As SQS gives it, with the account and the name.")
    dead_letters: QueueUrl | None = Field(
        default=None,
        title="Address of its dead-letter queue",
        description="Empty: the one its redrive policy names, where it is in the same account.",
    )
    tests_publish: bool = Field(
        default=False, title="Tests publish here", description="Whether test runs are meant to send to it."
    )


class CopyStore(Frozen):
    """Where copies of what is removed are kept, encrypted."""

    directory: FolderPath | None = Field(default=None, title="Folder")
    bucket: BucketName | None = Field(default=None, title="Bucket")
    prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9/_.-]{0,200}$")] = Field(
        default="backstop/copies", title="Key prefix in the bucket"
    )
    key: SecretReference = Field(
        title="Key", description="Where the key is kept that seals copies: 32 bytes in base64."
    )

    @model_validator(mode="after")
    def _is_one_place(self) -> CopyStore:
        if bool(self.directory) == bool(self.bucket):
            raise ValueError("copies need either a `directory` or a `bucket`")
        return self


class KitVariables(Frozen):
    """The settings of the kit that a recovery reads, by the names of their variables."""

    queue_url: VariableName = "ITK_SQS_QUEUE_URL"
    account_id: VariableName = "ITK_ACCOUNT_ID"
    mode: VariableName = "ITK_MODE"
    run_id: VariableName = "ITK_RUN_ID"
    redact_keys: VariableName = "ITK_REDACT_KEYS"
    redact_patterns: VariableName = "ITK_REDACT_PATTERNS"
    log_groups: VariableName = "ITK_LOG_GROUPS"
    log_window: VariableName = "ITK_LOG_QUERY_WINDOW_SECONDS"
    blocked_accounts: VariableName = "ITK_BLOCKED_ACCOUNTS"


class KitPlatform(StrictBlock):
    """A place where a test kit publishes to real queues, reads real logs and writes artifacts."""

    _block_type_name = "Test kit platform (Backstop)"
    _block_type_slug = "backstop-test-kit-platform"
    _description = "Queues, folders and settings of integration-test runs, and what marks their traces."

    kind: Literal["test_kit"] = Field(default="test_kit", title="Kind of platform")
    command: Annotated[list[str], Field(min_length=1)] = Field(
        title="Command", description="What starts a run, without its arguments; for instance: itk run."
    )
    folder: FolderPath = Field(title="Working folder", description="Where the kit runs, with its `.env`.")
    artifacts: FolderPath = Field(title="Artifact folder", description="Holds a folder for each run.")
    queues: Annotated[list[KitQueue], Field(min_length=1)] = Field(title="Queues")
    log_groups: list[LogGroupName] = Field(default_factory=list, title="Log groups of the service under test")
    copies: CopyStore = Field(title="Copies", description="Where what is removed is kept.")
    run_attribute: AttributeName = Field(
        default="run_id",
        title="Message attribute that names the run",
        description="In each published message.",
    )
    correlation_attribute: AttributeName = Field(
        default="correlation_id", title="Message attribute with the correlation id"
    )
    variables: KitVariables = Field(default=KitVariables(), title="Names of the kit's settings")
    blocked_accounts: list[AccountId] = Field(
        default_factory=list,
        title="Blocked accounts",
        description="Test runs must never act there: production, above all.",
    )
    evidence_accounts: list[AwsAccount] = Field(
        default_factory=list,
        title="Accounts to look into",
        description="As whom to read what a stray run did in an account that is not its own: CloudTrail and queue "
        "metrics. Nothing is ever changed there.",
    )
    quiet_seconds: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        title="Quiet for, in seconds",
        description="A run without output, processor time and input or output for so long counts as hung.",
    )
    grace_seconds: float = Field(
        default=10.0, gt=0, le=300, title="Time to end by itself after SIGTERM, in seconds"
    )
    run_timeout_seconds: float = Field(
        default=300.0,
        gt=0,
        le=86400,
        title="Longest run, in seconds",
        description="For a run that is repeated.",
    )

    @model_validator(mode="after")
    def _names_a_target(self) -> KitPlatform:
        urls = [queue.url for queue in self.queues]
        if len(set(urls)) != len(urls):
            raise ValueError("a queue is named twice")
        if not any(queue.tests_publish for queue in self.queues):
            raise ValueError("no queue says `tests_publish: true`: where are test runs to publish?")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The queues that test runs are meant to publish to."""
        return tuple(queue.url for queue in self.queues if queue.tests_publish)

    def queue(self, url: str) -> KitQueue | None:
        """The queue of that address; None when it is none of the environment's."""
        return next((queue for queue in self.queues if queue.url == url), None)

    def evidence_account(self, account_id: str) -> AwsAccount | None:
        """As whom to look into an account; None: nobody may."""
        return next((each for each in self.evidence_accounts if each.account_id == account_id), None)
