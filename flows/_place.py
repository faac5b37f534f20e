"""Is this the place the environment says? Asked of the place itself, before anything else."""

from __future__ import annotations

from blocks.docker_stack import DockerStackPlatform
from blocks.environment import Environment
from rules import guards
from tasks.blocked_accounts import blocked_accounts
from tasks.containers import engine_identity
from tasks.identities import who_am_i


def refuse_other_place(environment: Environment) -> None:
    """Refuse when the credentials, or the engine that answers, belong to another place.

    A Docker stack's engine decides; its AWS account is asked too where its backups are kept there.

    An account that is blocked is refused to every environment but production's own.

    Raises:
        RecoveryRefused: another account, region or engine; or the account is blocked.
    """
    platform = environment.platform
    if isinstance(platform, DockerStackPlatform):
        seen = engine_identity(environment)
        guards.same_engine(platform.host.engine_id, seen.id, environment.name)
        if platform.backups.bucket is None:
            return
    account, identity = environment.aws, who_am_i(environment)
    guards.same_place(account.account_id, identity.account, account.region, identity.region, environment.name)
    guards.not_blocked(identity.account, blocked_accounts(), environment.tier, environment.name)
