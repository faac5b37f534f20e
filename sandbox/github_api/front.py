"""What stands before every request to the stand-in: the token, the rate limits, faults, and GitHub's description."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

CONTROL = "/sandbox/"
"""Below it the sandbox itself talks to the stand-in."""
HOURLY = 5000
_ANYWHERE = (403, 404)
"""Any call may be answered so, and GitHub does not say it everywhere."""


@dataclass(slots=True)
class Trouble:
    """Something that goes wrong with the next `times` requests of this method whose path holds `path`."""

    kind: str
    """`primary`, `secondary`, `error` (before it is carried out) or `lost-reply` (after)."""
    times: int = 1
    seconds: float = 1.0
    """Until the limit ends."""
    status: int = 502
    path: str = ""
    method: str = ""


class Front(BaseHTTPMiddleware):
    """Lets a request through, or answers as GitHub does when it does not."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """One request."""
        world: Any = request.app.state.github
        path = request.url.path
        if path.startswith(CONTROL):
            return await call_next(request)
        if request.headers.get("authorization", "").rpartition(" ")[2] != world.token():
            return _said(401, "Bad credentials")
        trouble = _trouble(world.troubles, request.method, path)
        if trouble and trouble.kind != "lost-reply":
            return _refusal(trouble)
        world.asked += 1
        query, body = dict(request.query_params), await request.body()
        if world.contract and (fault := world.contract.fault_of_request(request.method, path, query, body)):
            world.violations.append(f"{request.method} {path}: request: {fault}")
            return _said(422, f"Not as described: {fault}")
        answer = await _whole(await call_next(request))
        if world.contract:
            kind = answer.headers.get("content-type", "")
            fault = world.contract.fault_of_answer(
                request.method, path, query, answer.status_code, kind, bytes(answer.body)
            )
            if fault and not (answer.status_code in _ANYWHERE and "http status" in fault):
                world.violations.append(f"{request.method} {path}: answer {answer.status_code}: {fault}")
                return _said(500, f"The stand-in's answer is not as described: {fault}")
        if trouble:
            return _said(trouble.status, "Server Error")
        answer.headers["x-ratelimit-limit"] = str(HOURLY)
        answer.headers["x-ratelimit-remaining"] = str(max(HOURLY - world.asked, 0))
        return answer


def _trouble(troubles: list[Trouble], method: str, path: str) -> Trouble | None:
    for trouble in troubles:
        if trouble.path in path and trouble.method in ("", method) and trouble.times > 0:
            trouble.times -= 1
            return trouble
    return None


def _refusal(trouble: Trouble) -> Response:
    if trouble.kind == "primary":
        reset = str(int(time.time() + trouble.seconds))
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
        return _said(403, "API rate limit exceeded for installation ID 1.", headers)
    if trouble.kind == "secondary":
        message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        return _said(403, message, {"retry-after": str(int(trouble.seconds))})
    return _said(trouble.status, "Server Error")


def _said(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    told = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    return JSONResponse(told, status, headers)


async def _whole(answer: Any) -> Response:
    """The answer with its body in one piece, so that it can be looked at."""
    body = b"".join([piece async for piece in answer.body_iterator])
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return Response(body, answer.status_code, headers)
