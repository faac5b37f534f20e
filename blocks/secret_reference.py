"""Where a secret is kept. The secret itself is never in a block, a file of ours, or Prefect's database."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr

from blocks.aws_errors import translated
from rules.errors import StepFailed
from rules.values import Frozen

if TYPE_CHECKING:
    from blocks.aws_account import AwsAccount


class SecretReference(Frozen):
    """The address of a secret, read at the moment it is needed."""

    source: Literal["environment", "secrets_manager", "ssm", "file"] = Field(
        title="Kept in",
        description="A variable of the process, AWS Secrets Manager, SSM Parameter Store, or a file.",
    )
    name: str = Field(
        pattern=r"^[A-Za-z0-9_/.@:+=~ -]{1,512}$",
        title="Name",
        description="The variable, the secret's name or ARN, the parameter, or the file's path.",
    )
    field: str = Field(
        default="",
        max_length=128,
        title="Field",
        description="Key within the secret when it is a JSON object.",
    )

    def __str__(self) -> str:
        return f"{self.source} {self.name}" + (f" field {self.field}" if self.field else "")

    def read(self, account: AwsAccount | None = None) -> SecretStr:
        """The secret, as it is now.

        Permissions: secretsmanager:GetSecretValue, ssm:GetParameter

        Raises:
            TransientFailure: AWS did not answer.
            StepFailed: it is not there, is empty, or may not be read. The message never holds the value.
        """
        text = self._field_of(self._text(account))
        if not text:
            raise StepFailed(f"The secret in {self} is empty.", hint="Store a value there.")
        return SecretStr(text)

    def _text(self, account: AwsAccount | None) -> str:
        if self.source == "environment":
            return os.environ.get(self.name, "")
        if self.source == "file":
            try:
                return Path(self.name).expanduser().read_text(encoding="utf-8").strip()
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise StepFailed(f"The secret in {self} cannot be read: {reason}.") from None
        if account is None:
            raise StepFailed(
                f"The secret in {self} needs an AWS account to be read with.",
                hint="Keep it in a variable or a file.",
            )
        with translated(f"read the secret in {self}"):
            if self.source == "secrets_manager":
                # Without a stage some stand-ins, and a rotation half way, answer with another version.
                answer = account.client("secretsmanager").get_secret_value(
                    SecretId=self.name, VersionStage="AWSCURRENT"
                )
                return str(answer.get("SecretString", ""))
            parameter = account.client("ssm").get_parameter(Name=self.name, WithDecryption=True)
            return str(parameter["Parameter"]["Value"])

    def _field_of(self, text: str) -> str:
        if not self.field or not text:
            return text
        try:
            return str(json.loads(text)[self.field])
        except (ValueError, KeyError, TypeError):
            raise StepFailed(
                f"The secret in {self} has no such field.", hint="It must be a JSON object."
            ) from None
