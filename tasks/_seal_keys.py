"""Which key seals what: that of an environment's backups, that of its copies and evidence."""

from __future__ import annotations

import base64
import binascii

from blocks.aws_account import AwsAccount
from blocks.environment import Environment
from blocks.secret_reference import SecretReference
from rules.errors import BackstopError, RecoveryRefused, StepFailed
from tasks._seals import KEY_BYTES, Seal


def seal_of(environment: Environment) -> Seal:
    """The seal of an environment's backups.

    Raises:
        RecoveryRefused: there is neither a key nor the explicit wish to go without; nothing was written.
        StepFailed: the key cannot be read.
    """
    store = environment.docker_stack.backups
    if store.seal is None:
        if not store.plain:
            raise RecoveryRefused(
                f"The backups of {environment.name} have no key, and they hold secrets.",
                hint="Give `backups` a `seal`, or `plain: true` where the store itself is encrypted and closed.",
            )
        return Seal(None)
    return Seal(_key(store.seal, environment.account, RecoveryRefused))


def copies_seal(environment: Environment) -> Seal:
    """The seal of what a test kit's environment keeps of what it removes.

    Raises:
        StepFailed: its key cannot be read, or is none.
    """
    return Seal(_key(environment.test_kit.copies.key, environment.aws, StepFailed), broken=StepFailed)


def _key(reference: SecretReference, account: AwsAccount | None, refusal: type[BackstopError]) -> bytes:
    text = reference.read(account).get_secret_value().strip()
    try:
        # A Fernet key is 32 bytes as well, in the other alphabet of base64: who has one keeps it.
        key = base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise refusal(
            f"The key in {reference} is not 32 bytes in base64.", hint="Make one: openssl rand -base64 32"
        )
    return key
