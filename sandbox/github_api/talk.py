"""Issues, pull requests and comments over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.github_api.actions import REPO
from sandbox.github_api.paging import paged
from sandbox.github_api.state import Comment, Thread


def _world(request: Request) -> Any:
    return request.app.state.github


def _thread(request: Request) -> Thread:
    found: Thread | None = _world(request).state.threads.get(int(request.path_params["number"]))
    if found is None:
        raise HTTPException(404, "Not Found")
    return found


async def list_comments(request: Request) -> Response:
    """What was said on an issue or a pull request, oldest first."""
    thread, shapes = _thread(request), _world(request).shapes
    told = paged(request, [shapes.comment(thread, comment) for comment in thread.comments])
    return JSONResponse(told.items, headers=told.headers)


async def create_comment(request: Request) -> Response:
    """Say something."""
    thread, now, world = _thread(request), datetime.now(UTC), _world(request)
    comment = Comment(world.state.new_id(), (await request.json())["body"], now, now)
    thread.comments.append(comment)
    return JSONResponse(world.shapes.comment(thread, comment), 201)


async def update_comment(request: Request) -> Response:
    """Say it otherwise."""
    world, number = _world(request), int(request.path_params["comment"])
    for thread in world.state.threads.values():
        for comment in thread.comments:
            if comment.id == number:
                comment.body, comment.updated = (await request.json())["body"], datetime.now(UTC)
                return JSONResponse(world.shapes.comment(thread, comment))
    raise HTTPException(404, "Not Found")


async def list_issues(request: Request) -> Response:
    """Issues and pull requests, newest first; of some labels if they are asked for."""
    world = _world(request)
    wanted = {label for label in request.query_params.get("labels", "").split(",") if label}
    found = [t for t in world.state.threads.values() if wanted <= set(t.labels)]
    told = paged(request, sorted(found, key=lambda thread: thread.number, reverse=True))
    return JSONResponse([world.shapes.issue(thread) for thread in told.items], headers=told.headers)


async def create_issue(request: Request) -> Response:
    """Open an issue."""
    world, told = _world(request), await request.json()
    number = world.state.new_id()
    thread = Thread(
        number, str(told["title"]), told.get("body") or "", datetime.now(UTC), list(told.get("labels", ()))
    )
    world.state.threads[number] = thread
    return JSONResponse(world.shapes.issue(thread), 201)


ROUTES = [
    Route(f"{REPO}/issues", list_issues),
    Route(f"{REPO}/issues", create_issue, methods=["POST"]),
    Route(f"{REPO}/issues/{{number:int}}/comments", list_comments),
    Route(f"{REPO}/issues/{{number:int}}/comments", create_comment, methods=["POST"]),
    Route(f"{REPO}/issues/comments/{{comment:int}}", update_comment, methods=["PATCH"]),
]
