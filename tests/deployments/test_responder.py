"""What the responder promises about single runs, on a real server and with real processes."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import psutil
import pytest
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import StateType

from rules.stuck_runs import RECOVERY_TAG
from tests.deployments.conftest import until

if TYPE_CHECKING:
    from tests.deployments.conftest import Practice

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]


def test_a_run_is_carried_out_in_a_process_of_its_own(served: Practice) -> None:
    """A due run is completed by a process that is neither the responder nor its fork server, and is gone after."""
    run = served.run(served.deployment("note"), mark="own-process")

    served.ends(run, StateType.COMPLETED)
    pid = int(served.lines("own-process")[0][1])

    assert pid != served.processes[0].pid
    assert "Taken" in served.names(run)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)
    assert not psutil.pid_exists(pid)


def test_nothing_forks_a_process_with_threads(served: Practice) -> None:
    """The process that runs are forked from has one thread, with Prefect and the flows imported."""
    served.ends(served.run(served.deployment("note"), mark="threads"), StateType.COMPLETED)

    responder = psutil.Process(served.processes[0].pid)
    servers = [one for one in responder.children() if "forkserver" in " ".join(one.cmdline())]

    assert [one.num_threads() for one in servers] == [1]


def test_a_cancelled_run_cleans_up_and_its_process_is_gone(served: Practice) -> None:
    """Cancel in the UI lets the flow clean up, ends its process, and never shows as a crash."""
    run = served.run(served.deployment("nap"), seconds=60)
    process = served.process(run)

    served.cancel(run)
    served.ends(run, StateType.CANCELLED)
    process.wait(20)

    assert served.lines("cleaned", run)
    assert "Crashed" not in served.names(run)


def test_a_refusal_is_told_as_a_sentence(served: Practice) -> None:
    """Who opens the run's page reads why and what to do, in its log and its state, which is named so; no traceback."""
    run = served.run(served.deployment("refuse"))
    served.ends(run, StateType.FAILED)

    def named() -> bool:
        state = served.client.read_flow_run(run).state
        return state is not None and (state.type, state.name) == (StateType.FAILED, "Refused")

    until("its state is named after it", named)
    state = served.client.read_flow_run(run).state
    assert state is not None
    assert str(state.message).endswith("is not wanted here. Hint: Give another.")
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))
    until(
        "the log is there", lambda: any("Finished" in log.message for log in served.client.read_logs(wanted))
    )
    told = [log.message for log in served.client.read_logs(wanted) if log.level >= logging.ERROR]
    assert told[0] == f"Refused: {served.file.name} is not wanted here.\nHint: Give another."
    assert not any("Traceback" in each for each in told)


def test_a_run_that_ignores_being_cancelled_is_killed(served: Practice) -> None:
    """After the grace a stubborn run is killed, alone, and is Cancelled."""
    run = served.run(served.deployment("stubborn"))
    process = served.process(run)

    served.cancel(run)
    served.ends(run, StateType.CANCELLED)

    assert not process.is_running()
    assert served.processes[0].poll() is None


def test_a_killed_process_is_seen_at_once(served: Practice) -> None:
    """SIGKILL of a run's process becomes Crashed, with the reason, and stays so for what is no recovery."""
    run = served.run(served.deployment("nap"), seconds=60)
    process = served.process(run)

    process.send_signal(signal.SIGKILL)
    ended = served.ends(run, StateType.CRASHED)

    assert ended.state is not None
    assert ended.state.message == "Its process was killed by SIGKILL."


def test_what_comes_too_often_is_skipped_and_not_queued(served: Practice) -> None:
    """Of a deployment that goes one at a time, a run that is due while another goes is cancelled and never begins."""
    skip = {"collision_strategy": "CANCEL_NEW"}
    deployment = served.deployment("nap", concurrency_limit=1, concurrency_options=skip)
    first = served.run(deployment, seconds=300)
    process = served.process(first)

    second = served.run(deployment, seconds=300)
    served.ends(second, StateType.CANCELLED)

    assert process.is_running()
    assert served.lines("begin", second) == []
    served.cancel(first)
    served.ends(first, StateType.CANCELLED)
    third = served.run(deployment, seconds=0)
    served.ends(third, StateType.COMPLETED)


def test_a_killed_recovery_is_taken_up_again(served: Practice) -> None:
    """A run of a recovery whose process is killed begins again by itself and can end well."""
    run = served.run(served.deployment("nap", RECOVERY_TAG, entrypoint="sample_flows.nap"), seconds=3)
    process = served.process(run)

    process.send_signal(signal.SIGKILL)
    served.ends(run, StateType.COMPLETED)

    names = served.names(run)
    assert names.index("Crashed") < names.index("AwaitingRetry")
    assert served.seen(run).run_count == 2


def test_a_recovery_that_dies_every_time_is_given_up(served: Practice) -> None:
    """After three beginnings the run stays Crashed."""
    run = served.run(served.deployment("die", RECOVERY_TAG))

    served.ends(run, StateType.CRASHED)
    names = [one for one in served.names(run) if one == "Running"]
    while len(names) < 3:
        served.ends(run, StateType.CRASHED)
        names = [one for one in served.names(run) if one == "Running"]

    assert served.ends(run, StateType.CRASHED).run_count == 3
    assert served.names(run).count("AwaitingRetry") == 2


def test_a_block_reference_arrives_as_the_block(served: Practice) -> None:
    """A parameter `{"$ref": {"block_document_id": …}}` reaches the flow as a loaded block."""
    from tests.deployments.sample_flows import Place

    document = Place(name="harbour").save(f"harbour-{served.tag}")
    reference = {"$ref": {"block_document_id": str(document)}}
    run = served.run(served.deployment("visit"), place=reference)

    served.ends(run, StateType.COMPLETED)

    assert served.lines("harbour")


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("note", {"marc": "x"}, "`sample-note` has no parameter `marc`. Hint: It has: `file`, `mark`."),
        ("visit", {}, "`sample-visit` needs `place`. Hint: Fill in the form again."),
        ("nap", {"seconds": "soon"}, "seconds"),
        ("visit", {"place": {"$ref": {"block_document_id": "0" * 32}}}, "block"),
    ],
)
def test_bad_parameters_fail_with_a_reason(
    served: Practice, name: str, parameters: dict[str, object], said: str
) -> None:
    """A run that cannot begin is Failed and says why; it is no mysterious crash."""
    deployment = served.deployment(name, enforce_parameter_schema=False)
    ended = served.ends(served.run(deployment, **parameters), StateType.FAILED, StateType.CRASHED)

    assert ended.state_type is StateType.FAILED
    assert ended.state is not None
    assert said in (ended.state.message or "")


@pytest.mark.parametrize(
    "entrypoint", ["sample_flows.nothing", "no_such_module.recover", "sample_flows.NOT_A_FLOW"]
)
def test_a_deployment_without_its_flow_fails_with_a_reason(served: Practice, entrypoint: str) -> None:
    """A run whose code is not there is Failed, and the reason names it."""
    run = served.run(served.deployment("note", entrypoint=entrypoint))
    ended = served.ends(run, StateType.FAILED, StateType.CRASHED)

    assert ended.state_type is StateType.FAILED
    assert ended.state is not None
    assert entrypoint in (ended.state.message or "")
