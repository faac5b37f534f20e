"""What is known of backups from tests of a restore: kept beside them, and gone with them."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import ValidationError

from blocks.environment import Environment
from rules.redaction import redact
from rules.retention import Proof
from rules.values import Frozen
from tasks.backup_stores import store_of
from tasks.kinds import probe, say


class ProofRecord(Frozen):
    """What a test of one backup found."""

    format: int = 1
    proof: Proof
    tested_at: datetime
    reason: str = ""
    """For people: what was compared, or what was wrong."""


@probe
def proofs(environment: Environment) -> dict[str, Proof]:
    """What is known of each backup that was tested, by its name. What cannot be read proves nothing.

    Permissions: s3:GetBucketVersioning, s3:GetObject, s3:ListBucket
    """
    return {backup: record.proof for backup, record in proof_records(environment).items()}


def proof_records(environment: Environment) -> dict[str, ProofRecord]:
    """What was found of each backup that was tested, by its name."""
    found = {}
    for backup, content in store_of(environment).notes().items():
        try:
            found[backup] = ProofRecord.model_validate_json(content)
        except ValidationError:
            say(f"What is noted of the backup {backup} cannot be read: it counts as untested.")
    return found


@probe
def record_proof(environment: Environment, backup: str, proof: Proof, reason: str = "") -> ProofRecord:
    """Note what a test of a backup found, in the place of an earlier test.

    Permissions: s3:GetBucketVersioning, s3:PutObject

    Raises:
        StepFailed: it cannot be written.
    """
    record = ProofRecord(proof=proof, tested_at=datetime.now(UTC), reason=redact(reason))
    store_of(environment).note(backup, record.model_dump_json().encode())
    return record
