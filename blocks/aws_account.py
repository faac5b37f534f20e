"""An AWS account and region, and as whom we act there."""

from __future__ import annotations

import functools
import os
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, overload

from pydantic import Field

from blocks.secret_reference import SecretReference
from blocks.strict_block import StrictBlock
from rules.names import AccountId, RegionName

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_secretsmanager.client import SecretsManagerClient
    from mypy_boto3_sts.client import STSClient

_POOL = 32
"""Connections per client: one client serves every thread of a process."""

_making = threading.RLock()
"""Making clients is not thread-safe in botocore, using them is."""


class AwsAccount(StrictBlock):
    """Where in AWS, and as whom. Credentials: the host's (role, profile), or references."""

    _block_type_name = "AWS account (Backstop)"
    _block_type_slug = "backstop-aws-account"
    _description = (
        "An AWS account and region. Backstop refuses to act when the credentials belong to another."
    )

    account_id: AccountId = Field(
        title="Account id",
        description="12 digits. Checked against the credentials before anything is changed.",
    )
    region: RegionName = Field(title="Region", description="For instance eu-west-1.")
    profile: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.@-]{1,64}$",
        title="Profile",
        description="Profile of the host's AWS configuration; empty: the host's own role or environment.",
    )
    role_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,128}$",
        title="Role to assume",
        description="Assumed for every call; empty: none.",
    )
    access_key_id: SecretReference | None = Field(
        default=None,
        title="Access key id",
        description="Only where neither a role nor a profile can be used.",
    )
    secret_access_key: SecretReference | None = Field(
        default=None, title="Secret access key", description="Where it is kept, never the key itself."
    )
    endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,200}/?$",
        title="Endpoint",
        description="Address of an AWS stand-in, for practice environments only.",
    )

    @overload
    def client(self, service: Literal["lambda"], write_once: bool = ...) -> LambdaClient: ...
    @overload
    def client(self, service: Literal["s3"], write_once: bool = ...) -> S3Client: ...
    @overload
    def client(self, service: Literal["cloudwatch"], write_once: bool = ...) -> CloudWatchClient: ...
    @overload
    def client(self, service: Literal["secretsmanager"], write_once: bool = ...) -> SecretsManagerClient: ...
    @overload
    def client(self, service: Literal["dynamodb"], write_once: bool = ...) -> DynamoDBClient: ...
    @overload
    def client(self, service: Literal["sts"], write_once: bool = ...) -> STSClient: ...
    @overload
    def client(self, service: str, write_once: bool = ...) -> Any: ...
    def client(self, service: str, write_once: bool = False) -> Any:
        """The account's client for a service: one per process, usable from every thread.

        `write_once` sends each request at most once: for calls that must not be repeated when only the answer
        was lost (creating a key, starting a deployment). Others are tried up to 5 times, 3 s to connect and
        10 s to answer each.
        """
        with _making:
            return _client(self._identity(), service, write_once)

    def process_environment(self) -> dict[str, str]:
        """Variables that let a child process (Terraform) act as the same identity in the same place.

        Secrets among them live in the child's environment only, never on its command line.
        """
        with _making:
            credentials = _session(self._identity()).get_credentials()
        found = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        if self.endpoint_url:
            found["AWS_ENDPOINT_URL"] = self.endpoint_url
        if credentials is not None:
            now = credentials.get_frozen_credentials()
            found["AWS_ACCESS_KEY_ID"] = str(now.access_key)
            found["AWS_SECRET_ACCESS_KEY"] = str(now.secret_key)
            if now.token:
                found["AWS_SESSION_TOKEN"] = str(now.token)
        return found

    def credentials_end(self) -> datetime | None:
        """When the credentials end that nobody renews; None: they do not end, or are renewed by themselves."""
        with _making:
            credentials = _session(self._identity()).get_credentials()
        # The environment's are read anew, and are the same; a role's, a container's and a host's are renewed.
        if credentials is None or credentials.method != "env":
            return None
        found: datetime | None = getattr(credentials, "_expiry_time", None)  # botocore has no public way
        return found

    def _identity(self) -> _Identity:
        return (
            self.region,
            self.endpoint_url,
            self.profile,
            self.role_arn,
            self.access_key_id,
            self.secret_access_key,
        )


_Identity = tuple[str, str | None, str | None, str | None, SecretReference | None, SecretReference | None]
"""What decides which client is the right one; hashable, and free of secrets."""


@functools.cache
def _session(identity: _Identity) -> Session:
    import boto3

    region, endpoint, profile, role, access_key, secret_key = identity
    read = [key.read().get_secret_value() if key else None for key in (access_key, secret_key)]
    session = boto3.Session(
        region_name=region, profile_name=profile, aws_access_key_id=read[0], aws_secret_access_key=read[1]
    )
    return _assumed(session, role, endpoint) if role else session


def _assumed(base: Session, role: str, endpoint: str | None) -> Session:
    """A session that assumes a role and renews it before it runs out."""
    import boto3
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.session import get_session

    core = get_session()
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=functools.partial(base.client, endpoint_url=endpoint),
        source_credentials=base.get_credentials(),
        role_arn=role,
        extra_args={"RoleSessionName": f"backstop-{os.getpid()}"},
    )
    renewed = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    vars(core)["_credentials"] = renewed  # botocore has no public way
    return boto3.Session(botocore_session=core, region_name=base.region_name)


@functools.cache
def _client(identity: _Identity, service: str, write_once: bool) -> Any:
    from botocore.config import Config

    attempts = {"total_max_attempts": 1} if write_once else {"total_max_attempts": 5, "mode": "standard"}
    config = Config(
        retries=attempts,  # type: ignore[arg-type]  # a dict of the right shape
        connect_timeout=3,
        read_timeout=10,
        max_pool_connections=_POOL,
        user_agent_extra="backstop",
    )
    return _session(identity).client(service, endpoint_url=identity[1], config=config)  # type: ignore[call-overload]  # any service
