"""Workflow runs over HTTP: lists, jobs, logs, artifacts, cancelling, running again, starting by hand."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.github_api.lives import Attempt, JobScript, live
from sandbox.github_api.paging import paged
from sandbox.github_api.shapes import moment
from sandbox.github_api.state import NAME, OWNER, WORKFLOWS, Run, pipeline

REPO = f"/repos/{OWNER}/{NAME}"
MOST_FOUND = 1000
"""Of one question with a filter, GitHub shows no more."""

TELLS_THE_RUN = "2026-03-10"
"""The API version from which on starting a workflow is answered with its run; before it had to be asked for."""


def _world(request: Request) -> Any:
    return request.app.state.github


def _run(request: Request) -> Run:
    found: Run | None = _world(request).state.runs.get(int(request.path_params["run"]))
    if found is None:
        raise HTTPException(404, "Not Found")
    return found


def _attempt(request: Request, run: Run) -> Attempt:
    number = int(request.path_params["attempt"])
    if not 0 < number <= len(run.attempts):
        raise HTTPException(404, "Not Found")
    return run.attempts[number - 1]


async def list_runs(request: Request) -> Response:
    """The runs of a workflow, newest first."""
    world, asked, now = _world(request), request.query_params, datetime.now(UTC)
    workflow = request.path_params["workflow"]
    if workflow not in WORKFLOWS:
        raise HTTPException(404, "Not Found")
    begin, _, end = asked.get("created", "").removeprefix(">=").partition("..")
    found = []
    for run in sorted(world.state.runs.values(), key=lambda run: (run.created, run.id), reverse=True):
        at, whole = str(moment(run.created)), live(run.latest, now).whole
        fits = (
            run.workflow == workflow
            and asked.get("branch", run.branch) == run.branch
            and asked.get("head_sha", run.sha) == run.sha
            and asked.get("event", run.event) == run.event
            and asked.get("status", whole.status) in (whole.status, whole.conclusion)
            and (begin in ("", "*") or at >= begin)
            and (not end or at <= end)
        )
        if fits:
            found.append(run)
    filtered = any(name in asked for name in ("branch", "head_sha", "event", "status", "created"))
    shown = found[:MOST_FOUND] if filtered else found
    told = paged(request, shown)
    body = {
        "total_count": len(found),
        "workflow_runs": [world.shapes.run(run, world.state, now) for run in told.items],
    }
    return JSONResponse(body, headers=told.headers)


async def get_run(request: Request) -> Response:
    """One run at its latest attempt."""
    world = _world(request)
    return JSONResponse(world.shapes.run(_run(request), world.state, datetime.now(UTC)))


async def get_attempt(request: Request) -> Response:
    """One run at one attempt."""
    world, run = _world(request), _run(request)
    return JSONResponse(world.shapes.run(run, world.state, datetime.now(UTC), _attempt(request, run)))


async def list_jobs(request: Request) -> Response:
    """The jobs of an attempt."""
    run = _run(request)
    attempt = _attempt(request, run)
    life = live(attempt, datetime.now(UTC))
    shapes = _world(request).shapes
    jobs = [shapes.job(run, attempt, job, span, steps) for job, span, steps in life.jobs]
    told = paged(request, jobs)
    return JSONResponse({"total_count": len(jobs), "jobs": told.items}, headers=told.headers)


async def job_logs(request: Request) -> Response:
    """Where a job's log is; only once the job has ended."""
    number, now = int(request.path_params["job"]), datetime.now(UTC)
    for run in _world(request).state.runs.values():
        for attempt in run.attempts:
            for job, span, _ in live(attempt, now).jobs:
                if job.id == number and span.status == "completed" and job.log:
                    return RedirectResponse(f"{_world(request).shapes.api}/sandbox/logs/{number}", 302)
    raise HTTPException(404, "Not Found")


async def stored_log(request: Request) -> Response:
    """The log itself, as GitHub's storage hands it out: no token is asked for."""
    number = int(request.path_params["job"])
    jobs = (job for run in _world(request).state.runs.values() for a in run.attempts for job in a.jobs)
    job: JobScript | None = next((job for job in jobs if job.id == number), None)
    return PlainTextResponse(job.log) if job else PlainTextResponse("", 404)


def _end(*, force: bool) -> Callable[[Request], Any]:
    async def end(request: Request) -> Response:
        run, now = _run(request), datetime.now(UTC)
        if live(run.latest, now).whole.status == "completed":
            raise HTTPException(409, "Cannot cancel a workflow run that is completed.")
        run.latest.asked_to_end = run.latest.asked_to_end or now
        if force:
            run.latest.asked_to_end, run.latest.forced = now, True
        return JSONResponse({}, 202)

    return end


def _again(*, only_failed: bool) -> Callable[[Request], Any]:
    async def again(request: Request) -> Response:
        run, now = _run(request), datetime.now(UTC)
        if live(run.latest, now).whole.status != "completed":
            raise HTTPException(403, "This workflow is already running")
        _world(request).state.run_again(run, now, only_failed=only_failed)
        return JSONResponse({}, 201)

    return again


async def dispatch(request: Request) -> Response:
    """Start a workflow by hand."""
    world, told = _world(request), await request.json()
    workflow = request.path_params["workflow"]
    if workflow not in WORKFLOWS:
        raise HTTPException(404, "Not Found")
    run = world.state.add_run(
        datetime.now(UTC), pipeline(), workflow=workflow, branch=told["ref"], event="workflow_dispatch"
    )
    names_it = request.headers.get("x-github-api-version", "") >= TELLS_THE_RUN
    if not (names_it or told.get("return_run_details")):
        return Response(status_code=204)
    url = f"{REPO}/actions/runs/{run.id}"
    body = {"workflow_run_id": run.id, "run_url": world.shapes.api + url, "html_url": world.shapes.html}
    return JSONResponse(body)


def _artifacts(run: Run) -> dict[int, tuple[str, bytes]]:
    """The packed artifacts of a run by number, made of the name so that it stays."""
    found = {}
    for name, files in run.artifacts.items():
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        found[zlib.crc32(f"{run.id} {name}".encode())] = (name, packed.getvalue())
    return found


async def list_artifacts(request: Request) -> Response:
    """The artifacts of a run, of one name if it is asked for."""
    run, wanted = _run(request), request.query_params.get("name", "")
    shapes = _world(request).shapes
    found = [
        shapes.artifact(run, number, name, len(packed))
        for number, (name, packed) in _artifacts(run).items()
        if wanted in ("", name)
    ]
    told = paged(request, found)
    return JSONResponse({"total_count": len(found), "artifacts": told.items}, headers=told.headers)


async def download_artifact(request: Request) -> Response:
    """Where an artifact is."""
    number = request.path_params["artifact"]
    return RedirectResponse(f"{_world(request).shapes.api}/sandbox/artifacts/{number}", 302)


async def stored_artifact(request: Request) -> Response:
    """The artifact itself."""
    number = int(request.path_params["artifact"])
    for run in _world(request).state.runs.values():
        if number in (packed := _artifacts(run)):
            return Response(packed[number][1], media_type="application/zip")
    return PlainTextResponse("", 404)


_RUN = f"{REPO}/actions/runs/{{run:int}}"
ROUTES = [
    Route(f"{REPO}/actions/workflows/{{workflow}}/runs", list_runs),
    Route(f"{REPO}/actions/workflows/{{workflow}}/dispatches", dispatch, methods=["POST"]),
    Route(_RUN, get_run),
    Route(f"{_RUN}/attempts/{{attempt:int}}", get_attempt),
    Route(f"{_RUN}/attempts/{{attempt:int}}/jobs", list_jobs),
    Route(f"{_RUN}/cancel", _end(force=False), methods=["POST"]),
    Route(f"{_RUN}/force-cancel", _end(force=True), methods=["POST"]),
    Route(f"{_RUN}/rerun", _again(only_failed=False), methods=["POST"]),
    Route(f"{_RUN}/rerun-failed-jobs", _again(only_failed=True), methods=["POST"]),
    Route(f"{_RUN}/artifacts", list_artifacts),
    Route(f"{REPO}/actions/artifacts/{{artifact:int}}/zip", download_artifact),
    Route(f"{REPO}/actions/jobs/{{job:int}}/logs", job_logs),
    Route("/sandbox/logs/{job:int}", stored_log),
    Route("/sandbox/artifacts/{artifact:int}", stored_artifact),
]
