"""How much later something begins than its like, so that not everything begins at the same moment."""

from __future__ import annotations

import hashlib


def steady_delay(name: str, longest_seconds: int) -> int:
    """Whole seconds from 0 to the longest: spread evenly over names, and always the same for one.

    A delay drawn anew each time would make a backup's distance from the one before swing by twice the longest.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % (longest_seconds + 1)


def later_cron(expression: str, minutes: int) -> str:
    """A cron expression so many minutes later within its hour.

    Raises:
        ValueError: its minute is not one plain number, or the hour would be over.
    """
    if minutes == 0:
        return expression
    minute, rest = expression.split(maxsplit=1)
    if not minute.isdecimal() or int(minute) + minutes > 59:
        raise ValueError(f"`{expression}` cannot begin {minutes} minutes later within its hour")
    return f"{int(minute) + minutes} {rest}"
