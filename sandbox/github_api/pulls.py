"""Pull requests over HTTP: found by their branch, and opened where the repository has it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.github_api.actions import REPO
from sandbox.github_api.paging import paged
from sandbox.github_api.state import OWNER, Thread
from sandbox.releases import git


def _world(request: Request) -> Any:
    return request.app.state.github


async def list_pull_requests(request: Request) -> Response:
    """Pull requests, newest first: the open ones if not said otherwise, of one branch, into one branch."""
    world, asked = _world(request), request.query_params
    state = asked.get("state", "open")
    found = [
        thread
        for thread in world.state.threads.values()
        if thread.branch
        and state in ("all", thread.state)
        and asked.get("head", f"{OWNER}:{thread.branch}") == f"{OWNER}:{thread.branch}"
        and asked.get("base", thread.base) == thread.base
    ]
    told = paged(request, sorted(found, key=lambda thread: thread.number, reverse=True))
    return JSONResponse([world.shapes.pull_request(thread) for thread in told.items], headers=told.headers)


async def create_pull_request(request: Request) -> Response:
    """Open a pull request: once for a branch, and only for branches that the repository really has."""
    world, told = _world(request), await request.json()
    head, base = str(told["head"]).removeprefix(f"{OWNER}:"), str(told["base"])
    tips = {}
    for field, branch in (("head", head), ("base", base)):
        tips[field] = await run_in_threadpool(_tip, world.home.repository, branch)
        if not tips[field]:
            return _invalid({"resource": "PullRequest", "field": field, "code": "invalid"})
    for thread in world.state.threads.values():
        if (thread.branch, thread.base, thread.state) == (head, base, "open"):
            return _custom(f"A pull request already exists for {OWNER}:{head}.")
    if await run_in_threadpool(_holds, world.home.repository, base, tips["head"]):
        return _custom(f"No commits between {base} and {head}")
    number, now = world.state.new_id(), datetime.now(UTC)
    made = Thread(number, str(told["title"]), told.get("body") or "", now, branch=head, sha=tips["head"])
    made.base = base
    world.state.threads[number] = made
    return JSONResponse(world.shapes.pull_request(made, whole=True), 201)


def _custom(message: str) -> Response:
    return _invalid({"resource": "PullRequest", "code": "custom", "message": message})


def _invalid(error: dict[str, str]) -> Response:
    body = {
        "message": "Validation Failed",
        "errors": [error],
        "documentation_url": "https://docs.github.com/rest",
    }
    return JSONResponse(body, 422)


def _tip(repository: Path, branch: str) -> str:
    """The commit a branch of the Git server stands at; empty: it has no such branch."""
    if not repository.exists():
        return ""
    return git(repository, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").strip()


def _holds(repository: Path, branch: str, commit: str) -> bool:
    try:
        git(repository, "merge-base", "--is-ancestor", commit, f"refs/heads/{branch}")
    except CalledProcessError:
        return False
    return True


ROUTES = [
    Route(f"{REPO}/pulls", list_pull_requests),
    Route(f"{REPO}/pulls", create_pull_request, methods=["POST"]),
]
