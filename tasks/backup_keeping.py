"""Letting backups go: what there is, who needs it, and the three changes. Each changes nothing when repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from blocks.environment import Environment
from ledger.backup_references import referenced
from ledger.database import open_ledger
from rules.backups import BackupManifest, taken_at
from rules.errors import RecoveryRefused, StepFailed
from rules.retention import Kept, Proof
from rules.values import Frozen
from tasks._recovery_watch import refuse_during_recovery
from tasks.backup_proofs import proofs
from tasks.backup_stores import Store, store_of
from tasks.kinds import in_parallel, probe, say

_LANES, _AT_ONCE = 8, 64
"""Side by side, and between two looks for a recovery."""
_WHAT = "No backup was let go"


class Marks(Frozen):
    """What manifests say of some backups."""

    critical: frozenset[str]
    unreadable: frozenset[str]


class Listed(Frozen):
    """One backup, for people."""

    manifest: BackupManifest
    proof: Proof
    in_trash: bool


@probe
def list_backups(environment: Environment, most: int = 20) -> list[Listed]:
    """The newest backups, newest first, the trash among them.

    Permissions: s3:GetBucketVersioning, s3:GetObject, s3:ListBucket
    """
    store = store_of(environment)

    def listed(kept: Kept) -> Listed:
        manifest = store.manifest(kept.id, in_trash=kept.in_trash)
        return Listed(manifest=manifest, proof=kept.proof, in_trash=kept.in_trash)

    newest = sorted(kept_backups.fn(environment), key=lambda kept: kept.id, reverse=True)[:most]
    return in_parallel([partial(listed, kept) for kept in newest])


@probe
def kept_backups(environment: Environment) -> list[Kept]:
    """Every whole backup with its proof; whether it is critical is not looked at: that takes its manifest.

    Permissions: s3:GetBucketVersioning, s3:GetObject, s3:ListBucket
    """
    store, known = store_of(environment), proofs.fn(environment)
    places = (
        (store.trash(), True),
        (store.ids(), False),
    )  # what is put away meanwhile is missed, not seen twice
    found = {
        name: Kept(name, taken_at(name), known.get(name, Proof.UNTESTED), in_trash=in_trash)
        for names, in_trash in places
        for name in names
    }
    return list(found.values())


@probe
def marks(environment: Environment, listed: Sequence[str], in_trash: Sequence[str]) -> Marks:
    """What the manifests of some backups say, by where those are.

    Permissions: s3:GetBucketVersioning, s3:GetObject, s3:ListBucket
    """
    store = store_of(environment)
    wanted = [(name, False) for name in listed] + [(name, True) for name in in_trash]
    critical, unreadable = set[str](), set[str]()

    def look(lane: list[tuple[str, bool]]) -> None:
        for name, away in lane:
            try:
                if store.manifest(name, in_trash=away).critical:
                    critical.add(name)
            except RecoveryRefused:
                unreadable.add(name)

    in_parallel([partial(look, wanted[number::_LANES]) for number in range(_LANES)])
    return Marks(critical=frozenset(critical), unreadable=frozenset(unreadable))


@probe
def needed_backups(environment: Environment) -> dict[str, str]:
    """The backups that open incidents name, and which incident.

    Permissions: none, it reads the ledger
    """
    with open_ledger().reading() as session:
        return referenced(session, environment.name)


@probe
def nobody_recovers(environment: Environment, fence: int | None = None) -> int:
    """Refuse while a recovery acts, or when one has acted since `fence`; the fencing number.

    Permissions: none, it reads the ledger

    Raises:
        LeaseHeld: an incident acts; nothing was let go.
    """
    return refuse_during_recovery(environment, _WHAT, fence)


@probe
def take_back(environment: Environment, backups: Sequence[str]) -> int:
    """Take backups out of the trash; how many were there. Repeating it changes nothing.

    Permissions: s3:DeleteObjectVersion, s3:GetObject, s3:ListBucketVersions
    """
    return _each(store_of(environment).take_back, backups)


@probe
def put_away(environment: Environment, backups: Sequence[str], fence: int) -> int:
    """Put backups into the trash; how many were not there yet. Repeating it changes nothing.

    Permissions: s3:GetObject, s3:PutObject

    Raises:
        LeaseHeld: an incident has begun to act: it may choose among them.
    """
    return _each(store_of(environment).put_away, backups, partial(nobody_recovers.fn, environment, fence))


@probe
def delete_for_good(environment: Environment, backups: Sequence[str], fence: int) -> int:
    """Delete backups in the trash, and what a killed run left half written or deleted; how many. It can be repeated.

    Permissions: s3:AbortMultipartUpload, s3:DeleteObjectVersion, s3:GetObject, s3:ListBucket,
    s3:ListBucketMultipartUploads, s3:ListBucketVersions

    Raises:
        LeaseHeld: an incident has begun to act.
    """
    store: Store = store_of(environment)
    if left := store.finish_deletions():
        say(f"{left} backups that a killed run had half written or half deleted are gone.")
    return _each(store.delete, backups, partial(nobody_recovers.fn, environment, fence))


def _each(act: Callable[[str], bool], backups: Sequence[str], guard: Callable[[], object] = int) -> int:
    """Do it to each, several at once. One that fails keeps no other from its turn; the first error is raised after."""
    errors: list[StepFailed] = []

    def carry_out(lane: Sequence[str]) -> int:
        done = 0
        for backup in lane:
            try:
                done += act(backup)
            except StepFailed as error:
                errors.append(error)
        return done

    changed = 0
    for start in range(0, len(backups), _AT_ONCE):
        guard()
        batch = backups[start : start + _AT_ONCE]
        changed += sum(in_parallel([partial(carry_out, batch[lane::_LANES]) for lane in range(_LANES)]))
    if errors:
        raise errors[0]
    return changed
