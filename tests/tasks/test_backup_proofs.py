"""What a test of a backup found is kept beside it."""

from __future__ import annotations

from pathlib import Path

from blocks.environment import Environment
from rules.retention import Proof
from tasks.backup_proofs import proof_records, proofs, record_proof
from tasks.backup_stores import Store, store_of
from tests.stored_backups import manifest, publish, stored_in


def test_the_last_test_of_each_counts(tmp_path: Path) -> None:
    """Proven, then failed, is failed; each has its own; the reason tells no secret."""
    environment: Environment = stored_in(tmp_path)
    first, second = manifest(1).id, manifest(2).id
    record_proof.fn(environment, first, Proof.PROVEN)
    record_proof.fn(environment, second, Proof.PROVEN, reason="1000 keys")
    record_proof.fn(environment, first, Proof.FAILED, reason="asked as jane@example.com")

    assert proofs.fn(environment) == {first: Proof.FAILED, second: Proof.PROVEN}
    assert "jane" not in proof_records(environment)[first].reason
    assert proof_records(environment)[second].reason == "1000 keys"


def test_what_cannot_be_read_proves_nothing(tmp_path: Path) -> None:
    """A damaged note leaves its backup untested, and the others as they are."""
    environment = stored_in(tmp_path)
    store: Store = store_of(environment)
    publish(store, manifest(1))
    store.note(manifest(1).id, b'{"proof": "prov')
    record_proof.fn(environment, manifest(2).id, Proof.PROVEN)

    assert proofs.fn(environment) == {manifest(2).id: Proof.PROVEN}
