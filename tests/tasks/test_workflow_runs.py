"""Workflow runs on a GitHub that is held to its own description."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from blocks.environment import Environment
from ledger.cases import Case
from rules.errors import RecoveryRefused, StepFailed
from rules.workflow_runs import RunStatus
from sandbox.github_stand_in import StandIn
from tasks.run_endings import end_run
from tasks.run_evidence import MOST_OF_A_LOG, artifact, failed_logs
from tasks.run_lists import list_runs
from tasks.run_watching import watch_run
from tasks.workflow_dispatches import dispatch_workflow
from tasks.workflow_runs import attempt_conclusion, rerun, workflow_run

HANGS = [{"name": "deploy", "steps": [{"name": "Apply", "seconds": None}]}]
FAILS = [
    {"name": "lint", "steps": [{"name": "ruff", "seconds": 0}], "log": "all good\n"},
    {
        "name": "test",
        "steps": [{"name": "pytest", "seconds": 0, "conclusion": "failure"}],
        "log": "FAILED tests/test_x.py::test_y - AssertionError\n",
    },
]
PLANTED = "AKIA" + "QWERTYUIOPASDFGH"


def test_a_run_is_seen_with_its_jobs_and_steps(github: StandIn, preprod_on_github: Environment) -> None:
    """Its step under way, its attempt, when anything last happened."""
    run = github.plant_run(jobs=HANGS, ago=2400)

    look = workflow_run(preprod_on_github, run)

    assert (look.run.id, look.run.attempt, look.run.status) == (run, 1, RunStatus.IN_PROGRESS)
    assert look.running_step == "deploy / Apply"
    assert timedelta(seconds=2300) < look.at - look.last_sign < timedelta(seconds=2500)
    assert look.run.workflow == "build-and-promote.yml"


def test_more_than_a_thousand_runs_are_listed(github: StandIn, preprod_on_github: Environment) -> None:
    """GitHub answers a filtered question with 1,000 at most: all 1,250 come, each once, newest first."""
    github.plant_run(count=1250, apart=60, ago=600, branch="busy", old=True)

    found = list_runs(preprod_on_github, branch="busy")

    assert len({run.id for run in found}) == len(found) == 1250
    assert found == sorted(found, key=lambda run: (run.created_at, run.id), reverse=True)
    assert len(list_runs(preprod_on_github, branch="busy", most=150)) == 150
    since = datetime.now(UTC) - timedelta(minutes=70)
    assert 55 <= len(list_runs(preprod_on_github, branch="busy", since=since)) <= 65


def test_filters_are_githubs(github: StandIn, preprod_on_github: Environment) -> None:
    """By status, commit and branch."""
    hanging = github.plant_run(jobs=HANGS, sha="a" * 40, branch="topic")

    def ids(**given: str) -> list[int]:
        return [run.id for run in list_runs(preprod_on_github, **given)]

    time.sleep(0.4)
    assert ids(status=RunStatus.IN_PROGRESS) == ids(sha="a" * 40) == ids(branch="topic") == [hanging]
    assert ids(branch="nowhere") == []


def test_a_run_that_obeys_ends_and_ending_it_again_changes_nothing(
    github: StandIn, preprod_on_github: Environment, acting: Case
) -> None:
    """It ends as cancelled, without force; a second order sees that."""
    run = github.plant_run(jobs=HANGS)

    effect = end_run(preprod_on_github, run, 1, 100)

    assert (effect.changed, effect.after) == (True, "attempt 1 cancelled")
    assert attempt_conclusion(preprod_on_github, run, 1) == "cancelled"
    assert not end_run(preprod_on_github, run, 1, 100).changed
    assert [(one["conclusion"], one["forced"]) for one in github.attempts(run)] == [("cancelled", False)]


def test_a_run_that_does_not_obey_is_forced(
    github: StandIn, preprod_on_github: Environment, acting: Case
) -> None:
    """A plain order leaves it running; force ends it."""
    run = github.plant_run(jobs=HANGS, obeys="force")

    assert end_run(preprod_on_github, run, 1, 10).changed

    assert workflow_run(preprod_on_github, run).run.conclusion == "cancelled"
    assert github.attempts(run)[0]["forced"]


def test_an_order_whose_reply_is_lost_ends_the_run(
    github: StandIn, preprod_on_github: Environment, acting: Case
) -> None:
    """GitHub took it and answered 502; it is asked again, and the run ended once."""
    run = github.plant_run(jobs=HANGS)
    github.trouble({"kind": "lost-reply", "path": "/cancel"})

    end_run(preprod_on_github, run, 1, 100)

    assert [attempt["conclusion"] for attempt in github.attempts(run)] == ["cancelled"]


def test_a_run_that_began_again_is_never_ended(
    github: StandIn, preprod_on_github: Environment, acting: Case
) -> None:
    """The order was for attempt 1: attempt 2, begun by somebody else, goes on."""
    run = github.plant_run(jobs=FAILS, ago=60)
    assert rerun(preprod_on_github, run, 1).after == "attempt 2"

    assert not end_run(preprod_on_github, run, 1, 10).changed

    assert len(github.attempts(run)) == 2
    assert github.attempts(run)[1]["conclusion"] != "cancelled"


@pytest.mark.parametrize("only_failed", [False, True])
def test_a_run_runs_again_once(
    github: StandIn, preprod_on_github: Environment, acting: Case, only_failed: bool
) -> None:
    """One new attempt, of all jobs or of the failed one; a second order for the same attempt changes nothing."""
    run = github.plant_run(jobs=FAILS, ago=60)

    assert rerun(preprod_on_github, run, 1, only_failed).changed
    assert not rerun(preprod_on_github, run, 1, only_failed).changed

    assert [attempt["jobs"] for attempt in github.attempts(run)] == [
        ["lint", "test"],
        ["test"] if only_failed else ["lint", "test"],
    ]


def test_a_lost_reply_makes_no_second_attempt(
    github: StandIn, preprod_on_github: Environment, acting: Case
) -> None:
    """GitHub did it and answered 502: the next try sees the new attempt."""
    run = github.plant_run(jobs=FAILS, ago=60)
    github.trouble({"kind": "lost-reply", "path": "/rerun"})

    assert rerun(preprod_on_github, run, 1).after == "attempt 2"

    assert len(github.attempts(run)) == 2


def test_what_still_runs_cannot_run_again(
    github: StandIn, preprod_on_github: Environment, acting: Case
) -> None:
    """It says so and changes nothing."""
    run = github.plant_run(jobs=HANGS)

    with pytest.raises(StepFailed, match="still"):
        rerun(preprod_on_github, run, 1)

    assert len(github.attempts(run)) == 1


def test_a_workflow_is_started_once(github: StandIn, preprod_on_github: Environment, acting: Case) -> None:
    """The new run's number comes back; the same order again, or after a lost reply, finds that run."""
    since = datetime.now(UTC)
    github.trouble({"kind": "lost-reply", "path": "/dispatches"})
    order = (preprod_on_github, "build-and-promote.yml", "main", {"reason": "practice"}, since)

    first = dispatch_workflow(*order)
    second = dispatch_workflow(*order)

    assert first.after == second.after
    assert not second.changed
    assert len([run for run in list_runs(preprod_on_github) if run.event == "workflow_dispatch"]) == 1
    later = dispatch_workflow(*order[:4], since + timedelta(minutes=5))
    assert later.changed
    assert later.after != first.after


def test_only_failed_jobs_logs_are_read_bounded_and_redacted(
    github: StandIn, preprod_on_github: Environment
) -> None:
    """A log of 3 MB is cut at its beginning; its end is there, without the key in it."""
    long = "noise\n" * 500_000 + f"key {PLANTED}\nFAILED tests/test_x.py::test_y\n"
    run = github.plant_run(jobs=[FAILS[0], FAILS[1] | {"log": long}], ago=60)

    [log] = failed_logs(preprod_on_github, workflow_run(preprod_on_github, run))

    assert (log.job, log.cut) == ("test", True)
    assert len(log.text) <= MOST_OF_A_LOG
    assert log.text.endswith("FAILED tests/test_x.py::test_y\n")
    assert PLANTED not in log.text


def test_an_artifact_is_unpacked_in_memory(github: StandIn, preprod_on_github: Environment) -> None:
    """By its name; a file called ../../x stays a label, a zip bomb is cut, a secret is redacted."""
    files = {"../../x": "harmless", "bomb": "0" * 20_000_000, "key": PLANTED}
    run = github.plant_run(jobs=FAILS, ago=60, artifacts={"results": files, "other": {"y": "z"}})

    found = {file.name: file for file in artifact(preprod_on_github, run, "results")}

    assert found["../../x"].text == "harmless"
    assert found["bomb"].cut
    assert len(found["bomb"].text) < 17_000_000
    assert PLANTED not in "".join(file.text[:100] for file in found.values())
    assert artifact(preprod_on_github, run, "missing") == []


def test_watching_goes_on_after_a_rate_limit(github: StandIn, preprod_on_github: Environment) -> None:
    """Limits and errors on the way are waited out."""
    run = github.plant_run(jobs=[{"name": "a", "steps": [{"name": "s", "seconds": 1.5}]}])
    github.trouble(
        {"kind": "secondary", "seconds": 1},
        {"kind": "error", "status": 503},
        {"kind": "primary", "seconds": 2},
    )

    look = watch_run(preprod_on_github, run, lambda seen: seen.run.ended, 200)

    assert look.run.conclusion == "success"


def test_an_environment_without_a_repository_says_what_to_add(preprod_on_github: Environment) -> None:
    """Refused before anything is asked."""
    with pytest.raises(RecoveryRefused, match="names no GitHub repository"):
        list_runs(preprod_on_github.model_copy(update={"github": None}))


def test_a_run_that_is_not_there_is_an_error(github: StandIn, preprod_on_github: Environment) -> None:
    """A slip of the pen."""
    with pytest.raises(StepFailed, match="404"):
        workflow_run(preprod_on_github, 1)
