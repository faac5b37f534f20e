"""Who we are in an environment's account, read from the account itself."""

from __future__ import annotations

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.values import Frozen
from tasks.kinds import probe


class Identity(Frozen):
    """What STS says of the credentials in hand."""

    account: str
    region: str
    arn: str


@probe
def who_am_i(environment: Environment) -> Identity:
    """Ask STS whose credentials these are.

    Permissions: sts:GetCallerIdentity
    """
    client = environment.aws.client("sts")
    with translated("ask whose credentials these are"):
        answer = client.get_caller_identity()
    return Identity(account=answer["Account"], region=client.meta.region_name, arn=answer["Arn"])
