"""Redis's own data: started with it again, and put back after a restore that made nothing better."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from blocks.environment import Environment
from ledger.cases import current_case, now
from rules.errors import StepFailed, TransientFailure
from rules.outcomes import Effect
from rules.redis_restores import KeptData, Mark, kept_folder
from tasks._redis_folder import RedisFolder
from tasks._redis_settings import settings_at_start
from tasks._redis_starts import launch, redis_container, refuse_crashed, stop
from tasks.backup_contents import manifest_of
from tasks.kinds import action, pause, probe
from tasks.redis_data import look_at_redis

_ANSWER_SECONDS, _POLL_SECONDS = 30.0, 0.2
RETURNED = "returned"


@action(subject="Redis", retries=5)
def start_redis(environment: Environment) -> Effect:
    """Start a Redis that stands still, or hangs, with its own data. Repeating it changes nothing.

    One that hangs is killed, for it would not end by itself.

    Permissions: none

    Raises:
        TransientFailure: the engine does not answer.
        StepFailed: there is no container, or it does not start.
    """
    container, look = redis_container(environment), look_at_redis.fn(environment)
    if look.answers:
        return Effect(subject="Redis", changed=False, after="answers")
    stop(environment.docker_stack.host.client(), container["Id"])
    begun = launch(environment, container)
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline and not (now_look := look_at_redis.fn(environment)).answers:
        refuse_crashed(environment, container, begun, now_look.reason)
        pause(_POLL_SECONDS)
    return Effect(subject="Redis", changed=True, before=look.reason, after="started with its own data")


@probe
def took_data_out(environment: Environment, backup: str) -> bool:
    """Whether this incident has taken Redis's data out of service for a backup: it is kept beside it then.

    Permissions: s3:GetBucketVersioning, s3:GetObject
    """
    case = current_case.get()
    try:
        container = redis_container(environment)
    except TransientFailure:
        raise
    except StepFailed:
        return False  # it is to be made again first: nothing was put anywhere
    client = environment.docker_stack.host.client()
    settings = settings_at_start(client, container, manifest_of.fn(environment, backup).redis)
    folder = kept_folder(case.incident_id if case else "", 1)
    return RedisFolder(client, container["Id"], settings).kept(folder) is not None


@action(subject="Redis data", retries=5)
def put_back_redis_data(environment: Environment, backup: str) -> Effect:
    """Put back what this incident kept before it restored a backup. Repeating it changes nothing.

    What the restore left is kept as well. The kept data is copied: the folder it is in stays as it is.

    Permissions: s3:GetBucketVersioning, s3:GetObject

    Raises:
        TransientFailure: the engine does not answer.
        StepFailed: nothing was kept, there is no space for it, or Redis does not start with it.
    """
    case = current_case.get()
    incident = case.incident_id if case else ""
    client, container = environment.docker_stack.host.client(), redis_container(environment)
    settings = settings_at_start(client, container, manifest_of.fn(environment, backup).redis)
    place = RedisFolder(client, container["Id"], settings)
    mark = Mark(incident=incident, backup=RETURNED)
    if place.restored() == mark:
        launch(environment, container)
        return Effect(subject="Redis data", changed=False, after="has its own data")
    folder = kept_folder(incident, 1)
    kept = place.kept(folder)
    if kept is None:
        raise StepFailed("Nothing of this incident was kept.", hint="Then nothing was put over it.")
    left = kept_folder(incident, 0)
    with tempfile.TemporaryDirectory(prefix="backstop-return-") as scratch:
        copies = place.copies(folder, kept, Path(scratch))
        place.reserve(sum(copy.stat().st_size for copy in copies.values()))
        stop(client, container["Id"])
        if place.kept(left) is None:
            place.keep(left, KeptData(incident=incident, backup=backup, kept_at=now(), files=()))
        place.put_back(copies, mark)
    launch(environment, container)
    return Effect(subject="Redis data", changed=True, before=backup, after=f"what {folder} keeps")
