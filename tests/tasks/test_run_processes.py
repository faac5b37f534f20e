"""Looking at a host's processes while they come and go."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil
import pytest

from rules.process_trees import Root
from tasks._run_processes import Kit, tree_of


def test_a_process_that_ends_while_it_is_looked_at_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody's process may end between two looks at it: that is no fault of the recovery."""
    child = subprocess.Popen(["sleep", "60"])
    seen = psutil.Process(child.pid)
    root = Root(pid=child.pid, started=seen.create_time())

    def dies(_process: psutil.Process) -> dict[str, str]:
        child.kill()
        child.wait()
        return {}

    monkeypatch.setattr(psutil, "process_iter", lambda: [seen])
    monkeypatch.setattr(psutil.Process, "cmdline", lambda _process: [])  # as of one that is about to end
    monkeypatch.setattr(psutil.Process, "environ", dies)

    assert [each.pid for each in tree_of(Kit(tmp_path, "RUN"), root, "run-1")] in ([], [child.pid])
