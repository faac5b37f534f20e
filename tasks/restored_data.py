"""Whether Redis holds a backup's data, asked of Redis itself and not of what put it there."""

from __future__ import annotations

from blocks.environment import Environment
from blocks.redis_errors import translated
from rules.errors import StepFailed
from rules.outcomes import Check, Verdict
from rules.redis_restores import RESTORED, Loaded, judge_held
from tasks.backup_contents import manifest_of
from tasks.kinds import probe
from tasks.redis_data import connection


@probe(retries=0)
def holds_data(environment: Environment, backup: str) -> Check:
    """Whether Redis holds the data of a backup that was restored.

    Permissions: s3:GetBucketVersioning, s3:GetObject
    """
    manifest = manifest_of.fn(environment, backup)
    key = manifest.data.canary_key
    try:
        with connection(environment) as redis, translated("ask Redis what it holds"):
            canary = str(redis.hget(key, backup) or "") if key else ""
            seen = Loaded(held=int(redis.dbsize()), canary=canary)
    except StepFailed as error:
        return Check(name=RESTORED, verdict=Verdict.INCONCLUSIVE, reason=error.message)
    return judge_held(manifest, seen)
