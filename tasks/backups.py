"""Backups of a Docker stack: configuration, the full description of its containers, Redis's data, a manifest."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from blocks.environment import Environment
from rules.backups import (
    CONFIGURATION,
    MOUNTED,
    STATE,
    BackupFile,
    BackupKind,
    BackupManifest,
    DataFacts,
    new_id,
)
from rules.errors import StepFailed
from rules.redaction import redact
from rules.redis_health import KeyCounts
from rules.redis_settings import from_files
from rules.values import Frozen
from tasks._kept_files import Shelf
from tasks._recovery_watch import refuse_during_recovery
from tasks._seal_keys import seal_of
from tasks.backup_stores import store_of
from tasks.containers import service_of
from tasks.kinds import in_parallel, probe, say
from tasks.redis_data import count_keys, look_at_redis
from tasks.redis_dumps import CANARY, Dump, dump
from tasks.stack_states import mounted_files, state_of

_WHAT = "No backup was made"
"""While a recovery acts: half a recovery is no restore point."""
NO_DATA = DataFacts(key_count=0, counted_in="server", by_prefix={}, written_by="nothing")
UNKNOWN = from_files("", [], "/data", "", append_only=False)
"""How a Redis keeps its data that did not answer."""


class Occasion(Frozen):
    """Why a backup is made, and for whom."""

    kind: BackupKind
    reason: str = ""
    requested_by: str = ""
    critical: bool = False
    whole: bool = True
    """Without Redis's data, or with a file that cannot be read, none is made. Else what can be had is kept, and keys
    are not counted by prefix: before a recovery there is no time for it."""


@probe
def take_backup(environment: Environment, occasion: Occasion) -> BackupManifest:
    """Make a backup. It changes nothing of the stack but one key of ours in Redis; it is there whole or not at all.

    Permissions: s3:GetBucketVersioning, s3:GetObject, s3:ListBucket, s3:PutObject

    Raises:
        RecoveryRefused: no key to seal its secrets with, or a bucket without versions; nothing was written.
        LeaseHeld: an incident is acting; nothing was kept.
        TransientFailure: Redis or the engine did not answer.
        StepFailed: no space, nothing to back up, or a damaged data file.
    """
    fence = refuse_during_recovery(environment, _WHAT)
    seal, store = seal_of(environment), store_of(environment)
    began = datetime.now(UTC)
    backup = new_id(occasion.kind, began, secrets.token_hex(2))
    with store.stage() as folder:
        state, shelf, whole = state_of(environment), Shelf(folder, seal, backup), occasion.whole
        dumped: list[tuple[Dump, KeyCounts]] = []

        def data() -> list[BackupFile]:
            dumped.extend(_data(environment, state["containers"], shelf, whole=whole))
            return [each.file for each, _ in dumped]

        # Redis saves while the engine is asked for the rest.
        parts: list[Callable[[], list[BackupFile]]] = [
            partial(_small_files, environment, state, shelf, whole=whole),
            data,
        ]
        small, large = in_parallel(parts)
        found = dumped[0] if dumped else None
        manifest = BackupManifest(
            id=backup,
            environment=environment.name,
            project=environment.docker_stack.project,
            engine_id=str(state["engine"]["id"]),
            began_at=began,
            finished_at=datetime.now(UTC),
            files=(*small, *large),
            data=_facts(*found) if found else NO_DATA,
            redis=found[0].settings if found else UNKNOWN,
            images={service_of(each): str(each["Image"]) for each in state["containers"]},
            seal=seal.fingerprint,
            kind=occasion.kind,
            reason=redact(occasion.reason),
            requested_by=redact(occasion.requested_by),
            critical=occasion.critical,
        )
        refuse_during_recovery(environment, _WHAT, fence)
        store.publish(folder, manifest)
    return manifest


@probe
def backup_names(environment: Environment) -> list[str]:
    """The names of all backups, newest first.

    Permissions: s3:GetBucketVersioning, s3:ListBucket
    """
    return store_of(environment).ids()


@probe
def read_backups(environment: Environment, most: int = 20) -> list[BackupManifest]:
    """The newest backups' manifests, newest first.

    Permissions: s3:GetBucketVersioning, s3:GetObject, s3:ListBucket
    """
    store = store_of(environment)
    return in_parallel([partial(store.manifest, name) for name in store.ids()[:most]])


def _small_files(
    environment: Environment, state: dict[str, Any], shelf: Shelf, *, whole: bool
) -> list[BackupFile]:
    return [
        shelf.put(CONFIGURATION, _configuration(environment, whole=whole)),
        shelf.put(STATE, json.dumps(state, indent=1, sort_keys=True).encode()),
        shelf.put(MOUNTED, mounted_files(environment, state["containers"], whole=whole)),
    ]


def _data(
    environment: Environment, containers: list[dict[str, Any]], shelf: Shelf, *, whole: bool
) -> list[tuple[Dump, KeyCounts]]:
    """Redis's data in a file, and its keys counted; nothing where it gives none out and what can be had will do."""
    if not whole:
        look = look_at_redis.fn(environment)
        if not look.answers or look.loading:
            say(f"The backup has no data: {look.reason or 'Redis is loading'}")
            return []
        redis = _redis_container(environment, containers)
        return [(dump(environment, redis, shelf), KeyCounts(total=look.key_count, by_prefix={}))]
    redis = _redis_container(environment, containers)
    data = dump(environment, redis, shelf)
    # Not meanwhile: Redis has its hands full with saving, and clients.
    return [(data, count_keys.fn(environment))]


def _facts(data: Dump, counts: KeyCounts) -> DataFacts:
    counted_in: Literal["file", "server"] = "server" if data.key_count is None else "file"
    return DataFacts(
        key_count=counts.total if data.key_count is None else data.key_count,
        counted_in=counted_in,
        by_prefix=counts.by_prefix,
        kinds=counts.kinds,
        sample=counts.sample,
        canary_key=CANARY if data.canary else "",
        canary_value=data.canary,
        written_by="save" if data.saved else "replication",
    )


def _redis_container(environment: Environment, containers: list[dict[str, Any]]) -> dict[str, Any]:
    service = environment.docker_stack.redis.service
    for container in containers:
        if service_of(container) == service and container["State"].get("Running"):
            return container
    raise StepFailed(
        f"No backup was made: no container of {service} runs in {environment.docker_stack.project}.",
        hint="Without its data a backup would promise what it cannot keep.",
    )


def _configuration(environment: Environment, *, whole: bool) -> bytes:
    path = Path(environment.docker_stack.config_file).expanduser()
    try:
        return path.read_bytes()
    except OSError as error:
        if not whole:
            return b""
        raise StepFailed(
            f"The configuration {path} cannot be read: {error.strerror or type(error).__name__}.",
            hint="Correct `config_file` in the environment's file.",
        ) from error
