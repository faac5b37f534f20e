"""With what the copies of a test kit's environment are encrypted."""

from __future__ import annotations

from cryptography.fernet import Fernet

from blocks.environment import Environment
from rules.errors import StepFailed


def cipher_of(environment: Environment) -> Fernet:
    """The cipher of an environment's copies.

    Raises:
        StepFailed: its key cannot be read, or is none.
    """
    key = environment.test_kit.copies.key
    try:
        return Fernet(key.read(environment.aws).get_secret_value().encode())
    except ValueError:
        raise StepFailed(
            f"The secret in {key} is no Fernet key.",
            hint="Store one there, made by `cryptography.fernet.Fernet.generate_key()`.",
        ) from None
