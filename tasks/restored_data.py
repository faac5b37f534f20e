"""Whether Redis holds a backup's data, asked of Redis itself and not of what put it there."""

from __future__ import annotations

from blocks.environment import Environment
from blocks.redis_errors import translated
from rules.errors import StepFailed
from rules.outcomes import Check, Verdict
from rules.stack_restore_points import is_loss
from tasks.backup_contents import manifest_of
from tasks.kinds import probe
from tasks.redis_data import connection

_NAME = "restored data"


@probe(retries=0)
def judge_data(environment: Environment, backup: str) -> Check:
    """Whether Redis holds the backup's canary, and no fewer keys than it had; others may have come since.

    Permissions: s3:GetBucketVersioning, s3:GetObject
    """
    manifest = manifest_of.fn(environment, backup)
    facts = manifest.data
    try:
        with connection(environment) as redis, translated("ask Redis what it holds"):
            canary = str(redis.hget(facts.canary_key, backup) or "") if facts.canary_key else ""
            held = int(redis.dbsize())
    except StepFailed as error:
        return Check(name=_NAME, verdict=Verdict.INCONCLUSIVE, reason=error.message)
    wanted, seen = f"{facts.key_count} keys", f"{held} keys"
    if facts.canary_key and canary != facts.canary_value:
        reason = f"the canary of {backup} is not among {held} keys"
        return Check(name=_NAME, verdict=Verdict.FAIL, reason=reason, wanted=wanted, seen=seen)
    if is_loss(facts.key_count, held):
        reason = f"it holds {held} keys, the backup has {facts.key_count}"
        return Check(name=_NAME, verdict=Verdict.FAIL, reason=reason, wanted=wanted, seen=seen)
    return Check(name=_NAME, verdict=Verdict.PASS, reason=f"it holds {held} keys", wanted=wanted, seen=seen)
