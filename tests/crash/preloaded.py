"""What the fork server imports, and does, once, so that a run starts in milliseconds."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from moto import mock_aws


def warm_up() -> None:
    """Recover once: mappers, migrations and clients are then ready in every child."""
    from blocks.settings import settings
    from ledger.database import forget_opened
    from tests import switchboard

    with tempfile.TemporaryDirectory() as folder:
        made_up = {
            "BACKSTOP_HOME": folder,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        before = {name: os.environ.get(name) for name in made_up}
        os.environ.update(made_up)
        with mock_aws():
            board = switchboard.wire(Path(folder) / "board")
            switchboard.recover.fn(switchboard.make_environment(), board)
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
    settings.cache_clear()
    forget_opened()
    if threading.active_count() > 1:
        raise RuntimeError(f"a thread is running; a fork would break it: {threading.enumerate()}")


warm_up()
