"""Bringing a backup's data back into Redis, so that it really is what Redis holds afterwards."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from blocks.environment import Environment
from ledger.attempts import begun_before
from ledger.cases import current_case
from rules.backups import DATA, BackupManifest
from rules.errors import StepFailed, TransientFailure
from rules.outcomes import Effect, Verdict
from rules.redis_restores import Mark, judge_loaded, same_place
from rules.redis_settings import RedisSettings
from tasks._redis_folder import RedisFolder
from tasks._redis_keeping import replace_at_rest, stop_and_keep
from tasks._redis_settings import settings_at_start
from tasks._redis_starts import redis_container, runs, settings_now, start
from tasks.backup_contents import fetch_data, manifest_of
from tasks.kinds import action, say
from tasks.redis_data import look_at_redis

_WRITING = ("restore_redis_data", "put_back_redis_data")
"""Actions that leave a mark of their incident in Redis's folder."""

_ROUNDS = 3
"""Redis may start otherwise than it was seen to be set: what it then believes is put right once more."""


@action(subject="Redis data", retries=5)
def restore_redis_data(environment: Environment, backup: str) -> Effect:
    """Make Redis hold a backup's data, its old data kept in a folder beside it. Repeating it changes nothing.

    The data is brought beside its own while it still runs. It is killed, for a Redis that shuts down saves over what
    was put there; the backup becomes its data file and, with an append-only file, the base of that one; it is started,
    and must tell that it read just these keys.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        RecoveryRefused: no such backup, or it is damaged; nothing was changed.
        TransientFailure: the engine does not answer.
        StepFailed: there is no container, what it holds cannot be kept, or it did not start with the backup's data.
    """
    case = current_case.get()
    mark = Mark(incident=case.incident_id if case else "", backup=backup)
    with tempfile.TemporaryDirectory(prefix="backstop-restore-") as scratch:
        manifest, data = manifest_of.fn(environment, backup), Path(scratch) / DATA
        client, container = environment.docker_stack.host.client(), redis_container(environment)
        settings = settings_at_start(client, container, manifest.redis)
        # Each look into the folder of a stopped container takes the engine a twentieth of a second.
        first = case is not None and not begun_before(case, _WRITING)
        if not first and _is_restored(environment, container, settings, manifest, mark):
            return Effect(subject="Redis data", changed=False, after=backup)
        fetch_data(environment, manifest, data)
        before = look_at_redis.fn(environment)
        for number in range(_ROUNDS):
            container = redis_container(environment)
            place = RedisFolder(client, container["Id"], settings)
            kept = _replaced(environment, container, place, mark, data, first=first and not number)
            loaded = start(environment, container, manifest)
            check = judge_loaded(manifest, loaded)
            if check.verdict is Verdict.PASS:
                return Effect(
                    subject="Redis data",
                    changed=True,
                    before=f"{before.key_count} keys" if before.answers else before.reason,
                    after=f"{backup}: {check.seen}",
                    detail=f"the data before is kept in {settings.directory}/{kept}",
                )
            told = settings_now(environment, container)
            if same_place(settings, told):
                raise StepFailed(
                    f"Redis does not hold the data of {backup}: {check.reason}.",
                    hint=f"What it held before is in {settings.directory}/{kept} of its container.",
                )
            say("Redis starts with other settings than it was seen to have: its data is put where it looks.")
            settings = told
    raise StepFailed("Redis looks for its data elsewhere at every start.", hint="Look at its configuration.")


def _replaced(
    environment: Environment,
    container: dict[str, Any],
    place: RedisFolder,
    mark: Mark,
    data: Path,
    *,
    first: bool,
) -> str:
    """Keep what Redis has, and put the backup's data in its place; the name of the folder that keeps it."""
    if first and not runs(container):
        try:
            return replace_at_rest(place, mark, data)
        except TransientFailure:
            raise
        except StepFailed:  # step by step it is known what to do, or told what does not work
            first = False  # some of it may be done
    place.bring(data)
    kept = stop_and_keep(environment, container, place, mark, data.parent, first=first)
    place.put(mark)
    return kept


def _is_restored(
    environment: Environment,
    container: dict[str, Any],
    settings: RedisSettings,
    manifest: BackupManifest,
    mark: Mark,
) -> bool:
    """Whether a run of this incident got as far: it may have been killed before it started Redis, or right after."""
    client = environment.docker_stack.host.client()
    if RedisFolder(client, str(container["Id"]), settings).restored() != mark:
        return False
    try:
        loaded = start(environment, container, manifest)
    except TransientFailure:
        raise
    except StepFailed as error:
        say(f"What was put there before is put there again: {error.message}")
        return False
    return judge_loaded(manifest, loaded).verdict is Verdict.PASS
