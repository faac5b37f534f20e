"""Sealing what is secret in a backup: AES-256-GCM, bound to the backup and the file's name."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field

from blocks.backup_store import BackupStore
from blocks.environment import Environment
from rules.errors import RecoveryRefused

HEAD = b"BACKSTOP-SEAL-1\n"
_KEY_BYTES, _NONCE_BYTES = 32, 12


@dataclass(frozen=True, slots=True)
class Seal:
    """A key, or the explicit wish to have none."""

    _key: bytes | None = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Tells keys apart without telling the key; empty: nothing is sealed."""
        return hashlib.sha256(b"backstop-seal" + self._key).hexdigest()[:16] if self._key else ""

    def close(self, content: bytes, backup: str, name: str) -> bytes:
        """The content as it is kept."""
        if self._key is None:
            return content
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE_BYTES)
        return HEAD + nonce + AESGCM(self._key).encrypt(nonce, content, _bound(backup, name))

    def open(self, kept: bytes, backup: str, name: str) -> bytes:
        """The content that was sealed.

        Raises:
            RecoveryRefused: another key, another file or another backup: nothing of it is given out.
        """
        if not kept.startswith(HEAD):
            return kept
        if self._key is None:
            raise RecoveryRefused(
                f"{name} of the backup {backup} is sealed.", hint="Give the backup store its `seal`."
            )
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        body = kept[len(HEAD) :]
        try:
            return AESGCM(self._key).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _bound(backup, name))
        except (InvalidTag, ValueError) as error:
            raise RecoveryRefused(
                f"{name} of the backup {backup} cannot be opened: another key, or it was changed.",
                hint="Use the key the backup was made with; its manifest has the fingerprint.",
            ) from error


def seal_of(environment: Environment) -> Seal:
    """The seal of an environment's backups.

    Raises:
        RecoveryRefused: there is neither a key nor the explicit wish to go without; nothing was written.
        StepFailed: the key cannot be read.
    """
    store: BackupStore = environment.docker_stack.backups
    if store.seal is None:
        if not store.plain:
            raise RecoveryRefused(
                f"The backups of {environment.name} have no key, and they hold secrets.",
                hint="Give `backups` a `seal`, or `plain: true` where the store itself is encrypted and closed.",
            )
        return Seal(None)
    text = store.seal.read(environment.account).get_secret_value()
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise RecoveryRefused(
            f"The backup key in {store.seal} is not 32 bytes in base64.",
            hint="Make one: openssl rand -base64 32",
        )
    return Seal(key)


def _bound(backup: str, name: str) -> bytes:
    return f"{backup}/{name}".encode()
