"""Where backups are kept, and with which key what is secret in them is sealed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from blocks.secret_reference import SecretReference
from blocks.strict_block import StrictBlock
from rules.names import BucketName, RelativePath


class BackupStore(StrictBlock):
    """A folder or a bucket for the backups of one environment."""

    _block_type_name = "Backup store (Backstop)"
    _block_type_slug = "backstop-backup-store"
    _description = (
        "A folder or an S3 bucket that backups are kept in, and the key their secrets are sealed with."
    )

    kind: Literal["directory", "s3"] = Field(default="directory", title="Kind of store")
    directory: str | None = Field(
        default=None,
        pattern=r"^[/~][^\x00\s]{0,400}$",
        title="Folder",
        description="On the host that runs Backstop; for the kind `directory`.",
    )
    bucket: BucketName | None = Field(
        default=None,
        title="Bucket",
        description="In the environment's AWS account; for the kind `s3`. It must have versioning on.",
    )
    prefix: RelativePath = Field(
        default="backups", title="Prefix", description="What the keys in the bucket begin with."
    )
    seal: SecretReference | None = Field(
        default=None,
        title="Key",
        description="Where the key is kept that seals backups: 32 bytes in base64.",
    )
    plain: bool = Field(
        default=False,
        title="Keep secrets unsealed",
        description="Only where the store is encrypted and closed. With neither this nor a key no backup is made.",
    )

    @model_validator(mode="after")
    def _is_one_of_two(self) -> BackupStore:
        wanted, other = ("directory", "bucket") if self.kind == "directory" else ("bucket", "directory")
        if getattr(self, wanted) is None:
            raise ValueError(f"a backup store of the kind {self.kind} needs `{wanted}`")
        if getattr(self, other) is not None:
            raise ValueError(f"a backup store of the kind {self.kind} has no `{other}`")
        if self.seal is not None and self.plain:
            raise ValueError("a backup store has either `seal` or `plain`")
        return self
