"""Real reverts on a real Git server: checked first, pushed once, never by force."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

import pytest

from blocks.environment import Environment
from ledger.cases import Case
from rules.errors import NoWayBack, RecoveryRefused, StepFailed
from rules.reverts import RevertBy, branch_of
from tasks.reverts import push_revert, revert_of
from tests.tasks.git_server import GitServer
from tests.tasks.lambda_service import environment


@pytest.fixture
def server(tmp_path: Path) -> GitServer:
    """A history of releases: the second changes main.tf, the third adds another file."""
    server = GitServer(tmp_path)
    server.commit("one", main_tf="one\n", other_tf="a\n")
    server.commit("two", main_tf="two\n")
    server.commit("three", third_tf="x\n")
    return server


@pytest.fixture
def place(server: GitServer) -> Environment:
    """An environment of that repository."""
    return environment(terraform=server.workspace())


def test_a_commit_is_reverted_on_a_branch(server: GitServer, place: Environment, acting: Case) -> None:
    """Below later commits too; the default branch stays, and the revert says what it reverts and for whom."""
    bad, main = server.asked("rev-parse", "main~1"), server.asked("rev-parse", "main")

    effect = push_revert(place, bad, RevertBy.PULL_REQUEST)

    assert (effect.changed, effect.after) == (True, branch_of(bad))
    assert server.asked("rev-parse", "main") == main
    assert server.file(branch_of(bad)) == "one"
    assert server.file(branch_of(bad), "third.tf") == "x"
    told = server.asked("log", "-1", "--format=%B", branch_of(bad))
    assert told.startswith('Revert "two"')
    assert f"This reverts commit {bad}." in told
    assert acting.incident_id in told


def test_a_revert_is_pushed_once(server: GitServer, place: Environment, acting: Case) -> None:
    """A second try finds it; so does one by the other policy once it is merged."""
    bad = server.asked("rev-parse", "main~1")
    push_revert(place, bad, RevertBy.PULL_REQUEST)
    first = server.asked("rev-parse", branch_of(bad))

    assert not push_revert(place, bad, RevertBy.PULL_REQUEST).changed
    assert not push_revert(place, bad, RevertBy.PUSH).changed
    assert server.asked("rev-parse", branch_of(bad)) == first
    assert server.reverts(bad) == 0


def test_a_revert_on_the_default_branch(server: GitServer, place: Environment, acting: Case) -> None:
    """By policy it is pushed at once, on top of what is there; one of a colleague's counts as well."""
    newest = server.asked("rev-parse", "main")
    assert push_revert(place, newest, RevertBy.PUSH).after == "main"
    assert server.asked("rev-parse", "main~1") == newest

    server.git("pull", "--quiet", "--rebase", "origin", "main")
    older = server.git("rev-parse", "main~2")
    server.git("revert", "--no-edit", older)
    server.git("push", "--quiet", "origin", "main")
    assert not push_revert(place, older, RevertBy.PUSH).changed
    assert server.reverts(older) == 1


def test_a_revert_that_was_reverted_is_made_again(
    server: GitServer, place: Environment, acting: Case
) -> None:
    """A commit that somebody brought back is in force."""
    bad = server.asked("rev-parse", "main")
    push_revert(place, bad, RevertBy.PUSH)
    server.git("pull", "--quiet", "origin", "main")
    server.git("revert", "--no-edit", "HEAD")
    server.git("push", "--quiet", "origin", "main")

    assert push_revert(place, bad, RevertBy.PUSH).changed
    assert server.reverts(bad) == 2


def test_a_merge_is_reverted_along_its_first_parent(
    server: GitServer, place: Environment, acting: Case
) -> None:
    """What the merged branch brought goes; what the default branch had stays."""
    merge = server.merge("feature", main_tf="feature\n")

    push_revert(place, merge, RevertBy.PUSH)

    assert server.file("main") == "two"
    assert server.file("main", "third.tf") == "x"


def test_a_conflict_is_handed_over(server: GitServer, place: Environment, acting: Case) -> None:
    """The files are named and the commands told; nothing is pushed, nothing is left."""
    bad = server.asked("rev-parse", "main~1")
    server.commit("four", main_tf="four\n")
    before = server.asked("for-each-ref")

    with pytest.raises(NoWayBack, match=r"conflicts with later commits in infrastructure/main.tf") as error:
        push_revert(place, bad, RevertBy.PUSH)

    assert f"git revert {bad[:12]}" in error.value.hint
    assert server.asked("for-each-ref") == before


def test_what_is_gone_already_is_not_reverted(server: GitServer, place: Environment, acting: Case) -> None:
    """A later commit took it back by hand: an empty revert helps nobody."""
    bad = server.asked("rev-parse", "main~1")
    server.commit("by hand", main_tf="one\n")

    with pytest.raises(NoWayBack, match="empty"):
        push_revert(place, bad, RevertBy.PUSH)


def test_a_commit_of_another_branch_is_not_reverted(
    server: GitServer, place: Environment, acting: Case
) -> None:
    """The target is no ancestor of the default branch: nothing is pushed."""
    server.git("checkout", "--quiet", "-b", "elsewhere")
    other = server.commit("elsewhere", main_tf="elsewhere\n")
    before = server.asked("for-each-ref")

    for commit in (other, "0" * 40):
        with pytest.raises(NoWayBack, match="not part of main"):
            push_revert(place, commit, RevertBy.PUSH)
    assert server.asked("for-each-ref") == before


@pytest.mark.parametrize("name", ["HEAD", "--exec=id", "main; id", "abc"])
def test_only_a_whole_commit_id_reaches_git(
    server: GitServer, place: Environment, acting: Case, name: str
) -> None:
    """Anything else is refused."""
    with pytest.raises(RecoveryRefused):
        push_revert(place, name, RevertBy.PUSH)


def test_a_protected_branch_says_what_to_do(server: GitServer, place: Environment, acting: Case) -> None:
    """The server declines: nothing is forced, and the policy that would work is named."""
    hook = server.bare / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'protected branch' >&2\nexit 1\n")
    hook.chmod(0o755)
    main = server.asked("rev-parse", "main")

    with pytest.raises(StepFailed, match="rejected") as error:
        push_revert(place, main, RevertBy.PUSH)

    assert "revert_by: pull request" in error.value.hint
    assert server.asked("rev-parse", "main") == main


def test_two_at_once_push_one_revert(server: GitServer, place: Environment, acting: Case) -> None:
    """Both look, both make it, one is refused by Git and finds the other's."""
    bad = server.asked("rev-parse", "main")
    revert_of(place, bad)  # the copy is there

    with ThreadPoolExecutor() as both:
        tries = [both.submit(copy_context().run, push_revert, place, bad, RevertBy.PUSH) for _ in range(2)]
        changed = [each.result().changed for each in tries]

    assert server.reverts(bad) == 1
    assert True in changed


def test_a_colleague_who_pushes_first_loses_nothing(
    server: GitServer, place: Environment, acting: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The branch moves between looking and pushing: it is looked at again, and both are kept."""
    import tasks.reverts

    bad = server.asked("rev-parse", "main")
    pushed: list[str] = []
    really = tasks.reverts._made

    def slowly(*arguments: object) -> str:
        made = really(*arguments)  # type: ignore[arg-type]  # passed on as they came
        if not pushed:
            pushed.append(server.commit("meanwhile", meanwhile_tf="m\n"))
        return made

    monkeypatch.setattr(tasks.reverts, "_made", slowly)

    push_revert(place, bad, RevertBy.PUSH)

    assert server.reverts(bad) == 1
    assert server.file("main", "meanwhile.tf") == "m"


KILLED = """
import sys
from ledger.cases import current_case
from ledger.database import open_ledger
from ledger.holders import this_process
from ledger.incidents import Opening, open_case
from rules.outcomes import Phase
from rules.reverts import RevertBy
from tasks.reverts import push_revert
from tests.tasks.lambda_service import environment
from blocks.terraform_workspace import TerraformWorkspace
case = open_case(open_ledger(), Opening("killed", "practice", "staging", 60), this_process(), 1)
case.enter(Phase.ACT)
current_case.set(case)
with case.may_act():
    push_revert(environment(terraform=TerraformWorkspace(repository=sys.argv[1])), sys.argv[2], RevertBy.PUSH)
"""


@pytest.mark.crash
@pytest.mark.parametrize("lands", [True, False])
def test_a_killed_push_is_finished_by_the_next(
    server: GitServer, place: Environment, acting: Case, tmp_path: Path, lands: bool
) -> None:
    """Killed while the server works on it: whether or not the push still lands, there is one revert in the end."""
    bad, begun, killed = server.asked("rev-parse", "main"), tmp_path / "begun", tmp_path / "killed"
    hook = server.bare / "hooks" / "pre-receive"
    hook.write_text(
        f"#!/bin/sh\ntouch {begun}\nwhile [ ! -e {killed} ]; do sleep 0.05; done\nexit {0 if lands else 1}\n"
    )
    hook.chmod(0o755)
    variables = {**os.environ, "BACKSTOP_HOME": str(tmp_path / "another-home")}
    run = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(server.bare), bad], env=variables, cwd=Path.cwd()
    )
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    killed.touch()
    while lands and server.reverts(bad) == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    hook.unlink()

    assert push_revert(place, bad, RevertBy.PUSH).changed is not lands
    assert server.reverts(bad) == 1
