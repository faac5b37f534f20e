"""How the sandbox itself talks to the stand-in: plants runs and pull requests, makes trouble, looks."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.github_api import hooks
from sandbox.github_api.contract import Contract
from sandbox.github_api.front import CONTROL, Trouble
from sandbox.github_api.lives import FOREVER, JobScript, StepScript, live
from sandbox.github_api.state import Comment, Thread, pipeline


def _world(request: Request) -> Any:
    return request.app.state.github


async def moment(request: Request) -> Response:
    """Keep the present under a name, or go back to it."""
    world, verb, name = _world(request), request.path_params["verb"], request.path_params["name"]
    if verb == "keep":
        world.kept[name] = world.state.copy()
    elif name not in world.kept:
        return JSONResponse({"message": f"no moment {name}"}, 404)
    else:
        world.state = world.kept[name].copy()
        world.troubles.clear()
        world.violations.clear()
    return JSONResponse({})


async def plant_run(request: Request) -> Response:
    """Put runs there as if they had begun `ago` seconds ago; a step's `seconds` of null never end.

    `id`: its number; one that is there already stays as it is. `old`: its webhooks were sent long ago.
    """
    world, told = _world(request), await request.json()
    if told.get("id") in world.state.runs:
        return JSONResponse({"runs": [told["id"]]})
    numbers = []
    apart = float(told.get("apart", 0))
    for nth in range(int(told.get("count", 1))):
        begun = datetime.now(UTC) - timedelta(seconds=float(told.get("ago", 0)) + nth * apart)
        names = ("id", "workflow", "branch", "sha", "event", "title", "pull_request")
        given = {name: told[name] for name in names if name in told}
        run = world.state.add_run(begun, [_job(job) for job in told.get("jobs", ())] or pipeline(), **given)
        run.latest.obeys, run.latest.held = told.get("obeys", "cancel"), told.get("held", "")
        run.latest.queued_seconds = _seconds(told.get("queued", 0.3))
        run.queued_again = _seconds(told.get("queued_again", 0.3))
        run.artifacts = told.get("artifacts", {})
        if told.get("old"):
            run.latest.told = {"requested", "completed"}
        numbers.append(run.id)
    return JSONResponse({"runs": numbers})


def _job(told: dict[str, Any]) -> JobScript:
    steps = [
        StepScript(step["name"], _seconds(step.get("seconds", 0.2)), step.get("conclusion", "success"))
        for step in told["steps"]
    ]
    return JobScript(told["name"], steps, told.get("log", ""))


def _seconds(told: float | None) -> float:
    return FOREVER if told is None else float(told)


async def plant_thread(request: Request) -> Response:
    """Put an issue or a pull request there; putting it again changes nothing."""
    world, told = _world(request), await request.json()
    now, said = datetime.now(UTC), told.pop("said", ())
    if told["number"] not in world.state.threads:
        comments = [Comment(world.state.new_id(), text, now, now) for text in said]
        world.state.threads[told["number"]] = Thread(created=now, comments=comments, **told)
    return JSONResponse({})


async def remove_run(request: Request) -> Response:
    """As if it had never been."""
    _world(request).state.runs.pop(int(request.path_params["run"]), None)
    return JSONResponse({})


async def remove_thread(request: Request) -> Response:
    """As if it had never been."""
    _world(request).state.threads.pop(int(request.path_params["number"]), None)
    return JSONResponse({})


async def trouble(request: Request) -> Response:
    """What goes wrong from now on, instead of what did."""
    world = _world(request)
    world.troubles[:] = [Trouble(**told) for told in await request.json()]
    return JSONResponse({})


async def contract(request: Request) -> Response:
    """Hold every request and answer against the description at a path from now on."""
    world, path = _world(request), Path((await request.json())["description"])
    world.contract = world.contract or await run_in_threadpool(Contract, path)
    return JSONResponse({})


async def deliver(request: Request) -> Response:
    """Send a `workflow_run` event once more, under the id of its delivery."""
    world, told = _world(request), await request.json()
    run = world.state.runs[told["run"]]
    event = hooks.run_event(hooks.COMPLETED, run, world.state, world.shapes, datetime.now(UTC))
    status = await run_in_threadpool(hooks.send, world.home, event, told.get("delivery", ""))
    return JSONResponse({"status": status})


async def seen(request: Request) -> Response:
    """Everything that a recovery may change, as it stands."""
    world, now = _world(request), datetime.now(UTC)
    runs = {
        run.id: [
            asdict(whole) | {"jobs": [job.name for job in attempt.jobs], "forced": attempt.forced}
            for attempt in run.attempts
            for whole in [live(attempt, now).whole]
        ]
        for run in world.state.runs.values()
    }
    threads = {
        number: {
            "title": t.title,
            "body": t.body,
            "branch": t.branch,
            "base": t.base,
            "state": t.state,
            "comments": [comment.body for comment in t.comments],
        }
        for number, t in world.state.threads.items()
    }
    told = {"runs": _plain(runs), "threads": threads, "violations": world.violations, "asked": world.asked}
    return JSONResponse(told)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value


ROUTES = [
    Route(f"{CONTROL}moments/{{verb}}/{{name}}", moment, methods=["POST"]),
    Route(f"{CONTROL}runs", plant_run, methods=["POST"]),
    Route(f"{CONTROL}runs/{{run:int}}", remove_run, methods=["DELETE"]),
    Route(f"{CONTROL}threads/{{number:int}}", remove_thread, methods=["DELETE"]),
    Route(f"{CONTROL}threads", plant_thread, methods=["POST"]),
    Route(f"{CONTROL}trouble", trouble, methods=["POST"]),
    Route(f"{CONTROL}contract", contract, methods=["POST"]),
    Route(f"{CONTROL}deliver", deliver, methods=["POST"]),
    Route(f"{CONTROL}seen", seen),
]
