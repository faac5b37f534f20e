"""The sandbox's AWS: moto, with the corrections and the faults of this package, served on 127.0.0.1.

python -m sandbox.aws HOME
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from wsgiref.types import WSGIApplication

from sandbox.places import Home


def application(home: Home) -> WSGIApplication:
    """Moto behind the sandbox's front."""
    os.environ.setdefault("MOTO_DOCKER_NETWORK_MODE", "none")
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from sandbox import (
        alarm_actions,
        aws_alarms,
        aws_answers,
        aws_functions,
        aws_keys,
        aws_queues,
        aws_tables,
        aws_trail,
    )
    from sandbox.aws_front import Front

    alarm_actions.install(home)
    aws_alarms.install()
    aws_answers.install()
    aws_functions.install(home.addresses())
    aws_keys.install()
    aws_queues.install()
    aws_tables.install()
    aws_trail.install()
    return Front(DomainDispatcherApplication(create_backend_app), home)


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    from sandbox.aws_server import server_of
    from sandbox.processes import live_and_die_with_parent

    home = Home(Path(arguments[0]))
    live_and_die_with_parent()
    server_of(application(home), home.addresses().aws).start()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
