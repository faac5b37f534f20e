"""Trying a restore of a backup beside the stack: only that proves a backup."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from blocks.docker_errors import translated
from blocks.environment import Environment
from rules.backup_proofs import judge_prefixes, judge_sample
from rules.backups import DATA, BackupManifest
from rules.errors import RecoveryRefused, StepFailed
from rules.outcomes import Check, Verdict, Verification
from rules.redis_restores import judge_loaded
from rules.values import Frozen
from tasks._trial_redis import NotLoaded, TrialRedis, trial_redis
from tasks.backup_contents import fetch_data, manifest_of, read_backup
from tasks.containers import inspected
from tasks.kinds import probe, say


class Trial(Frozen):
    """What a tried restore showed."""

    backup: str
    verification: Verification
    seconds: float


@probe
def try_restore(environment: Environment, backup: str) -> Trial:
    """Check a backup's files, and let a throw-away Redis read its data. The stack is not touched, and serves on.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: there is no such backup of this stack, or its key is not there.
        TransientFailure: the engine does not answer.
        StepFailed: it could not be tried, which says nothing of the backup.
    """
    begun = time.monotonic()
    manifest = manifest_of.fn(environment, backup)
    checks = _checks(environment, manifest)
    seconds = time.monotonic() - begun
    say(f"Tried {backup}: {'; '.join(f'{check.name}: {check.reason}' for check in checks)}")
    return Trial(backup=backup, verification=Verification.of(checks), seconds=round(seconds, 2))


def _checks(environment: Environment, manifest: BackupManifest) -> list[Check]:
    with tempfile.TemporaryDirectory(prefix="backstop-trial-") as scratch:
        data = Path(scratch) / DATA
        try:
            read_backup.fn(environment, manifest.id)
            fetch_data(environment, manifest, data)
        except RecoveryRefused as refused:
            return [Check(name="files", verdict=Verdict.FAIL, reason=refused.message)]
        whole = Check(name="files", verdict=Verdict.PASS, reason="each is what the manifest says")
        client, image = environment.docker_stack.host.client(), _image(environment, manifest)
        try:
            with trial_redis(client, image, manifest, data, _memory(environment)) as trial:
                return [whole, *_compared(environment, manifest, trial)]
        except NotLoaded as damaged:
            return [whole, Check(name="restored data", verdict=Verdict.FAIL, reason=damaged.message)]


def _compared(environment: Environment, manifest: BackupManifest, trial: TrialRedis) -> list[Check]:
    loaded, expired = trial.loaded(manifest)
    counts = trial.counts(environment.docker_stack.redis.key_prefixes, set(manifest.data.sample))
    return [
        judge_loaded(manifest, loaded),
        *judge_prefixes(manifest.data, counts, expired),
        judge_sample(manifest.data.sample, counts.sample),
    ]


def _image(environment: Environment, manifest: BackupManifest) -> str:
    service = environment.docker_stack.redis.service
    image = manifest.images.get(service, "")
    if not image:
        raise StepFailed(f"The backup {manifest.id} does not say which image {service} ran.")
    return image


def _memory(environment: Environment) -> int:
    """Bytes that the stack's Redis may use; 0: no limit, or there is none now."""
    stack = environment.docker_stack
    with translated("see how much memory Redis may use"):
        found = inspected(stack.host.client(), stack.project, stack.redis.service)
    return max((int(each["HostConfig"].get("Memory") or 0) for each in found), default=0)
