"""What Terraform starts as its AWS provider: asks the provider host for one, or becomes one itself.

    python -S provider_launcher.py FILE      FILE holds the path of the provider host's socket

Terraform starts its provider three or four times for each command. The host forks one in a few milliseconds; to
Terraform nothing differs: the provider talks through this process's own files and ends when this process does.
Standard library only, and little of it: it has to be quick.
"""

import json
import os
import signal
import socket
import sys


def main(address_file: str) -> int:
    """Stand for the provider until it ends."""
    try:
        with open(address_file, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes a while to import
            path = file.read()
        host = socket.socket(socket.AF_UNIX)
        host.connect(path)
    except OSError:
        os.execv(sys.executable, [sys.executable, "-P", "-m", "sandbox.provider"])  # noqa: S606 - our own interpreter
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for Terraform; it ends its providers
    order = {"environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109 - without pathlib
    socket.send_fds(host, [json.dumps(order).encode()], [0, 1, 2])
    host.shutdown(socket.SHUT_WR)
    return 0 if host.recv(1) == b"0" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
