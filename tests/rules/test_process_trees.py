"""Which processes are a run's: never one more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.process_trees import Root, Sample, Seen, Usage, alive, members, progress

RUN = "run-7"
ROOT = Root(100, 1000.0)


def pids(*processes: Seen, root: Root | None = ROOT, spared: frozenset[int] = frozenset()) -> list[int]:
    """The pids of the run's processes."""
    return [process.pid for process in members(processes, root, RUN, spared)]


def test_the_whole_tree() -> None:
    """The root, its children and theirs, parents first; a neighbour is none of them."""
    tree = Seen(100, 1, 1000.0), Seen(101, 100, 1001.0), Seen(102, 101, 1002.0), Seen(200, 1, 900.0)
    assert pids(*tree) == [100, 101, 102]


def test_a_pid_that_was_used_again_is_somebody_elses() -> None:
    """The same pid with another start is not the run, and its children are not either."""
    assert pids(Seen(100, 1, 5000.0), Seen(101, 100, 5001.0)) == []


def test_a_child_that_left_is_found_by_its_environment() -> None:
    """It has no parent of ours and a session of its own; its own children come along."""
    left = Seen(300, 1, 1003.0, session=300, run_id=RUN), Seen(301, 300, 1004.0)
    assert pids(*left, root=None) == [300, 301]


def test_a_session_that_the_root_leads_is_the_runs() -> None:
    """An orphan in it belongs to the run; a session that somebody else leads is the terminal's."""
    assert pids(Seen(100, 1, 1000.0, session=100), Seen(400, 1, 1001.0, session=100)) == [100, 400]
    assert pids(Seen(100, 1, 1000.0, session=50), Seen(400, 1, 1001.0, session=50)) == [100]


def test_another_runs_process_is_never_ours() -> None:
    """A kit may start another run below itself: what names that one is left alone."""
    assert pids(Seen(100, 1, 1000.0), Seen(101, 100, 1001.0, run_id="run-8")) == [100]


def test_we_never_choose_ourselves() -> None:
    """Backstop started from the run's own shell does not end itself, nor anything through itself."""
    ours = Seen(100, 1, 1000.0), Seen(101, 100, 1001.0), Seen(102, 101, 1002.0)
    assert pids(*ours, spared=frozenset({101})) == [100]


def test_a_zombie_is_gone() -> None:
    """Nothing can end it, and nothing need."""
    assert [p.pid for p in alive([Seen(1, 0, 1.0, zombie=True), Seen(2, 0, 1.0)])] == [2]


processes = st.lists(
    st.builds(
        Seen,
        pid=st.integers(1, 12),
        parent=st.integers(0, 12),
        started=st.sampled_from([999.0, 1000.0, 1001.0]),
        session=st.integers(0, 12),
        run_id=st.sampled_from(["", RUN, "run-8"]),
    ),
    max_size=12,
    unique_by=lambda process: process.pid,
)


@given(processes, st.sampled_from([None, Root(5, 1000.0)]))
def test_nothing_else_is_chosen(found: list[Seen], root: Root | None) -> None:
    """For all process tables: whatever is chosen has a reason, and without root and marker nothing is."""
    chosen = members(found, root, RUN)
    by_pid = {process.pid: process for process in chosen}
    true_root = next((p for p in found if root and p.pid == root.pid and p.started == root.started), None)
    for process in chosen:
        assert process.run_id in ("", RUN)
        assert (
            process.run_id == RUN
            or process is true_root
            or (true_root is not None and process.session == true_root.pid)
            or process.parent in by_pid
            or process.parent in {p.pid for p in found}
        )
    if true_root is None and not any(p.run_id == RUN for p in found):
        assert chosen == ()


def sample(at: float, cpu: float = 0.0, io: int = 0, output: int = 10, pid: int = 1) -> Sample:
    """One process's sample."""
    return Sample(at, {(pid, 1.0): Usage(cpu, io)}, output)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (sample(60.0), ""),
        (sample(60.0, cpu=0.5), ""),
        (sample(60.0, cpu=1.0), "processor time"),
        (sample(60.0, io=1), "read or wrote"),
        (sample(60.0, output=11), "files"),
        (sample(60.0, output=9), "files"),
        (sample(60.0, pid=2), "began"),
    ],
)
def test_what_counts_as_progress(after: Sample, told: str) -> None:
    """Output, processor time, input and output: without any of them it hangs."""
    said = progress(sample(0.0), after)
    assert (told in said) if told else said == ""
