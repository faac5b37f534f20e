"""Which attribute of an item a drill takes away, and how it knows the item again without knowing its key.

A key may be somebody's name: the ledger gets a digest of it, salted by the drill.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from rules.restore_points import identity

Item = Mapping[str, Mapping[str, object]]


def spoilt_attribute(item: Item, key: Collection[str]) -> str:
    """The attribute to take away: a text before anything else, never of the key; empty: the item is nothing but key."""
    names = sorted(name for name in item if name not in key)
    texts = [name for name in names if "S" in item[name]]
    return next(iter([*texts, *names]), "")


def digest(item: Item, key: tuple[str, ...], drill: str) -> str:
    """What stands for the item's key in the notes of this drill."""
    return hashlib.sha256(f"{drill}\n{identity(item, key)}".encode()).hexdigest()[:16]
