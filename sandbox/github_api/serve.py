"""Serves the stand-in on 127.0.0.1.

python -m sandbox.github_api.serve HOME
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.github_api import actions, control, hooks, pulls, talk
from sandbox.github_api.contract import Contract
from sandbox.github_api.front import Front, Trouble
from sandbox.github_api.shapes import Shapes
from sandbox.github_api.state import State, seeded
from sandbox.places import Home

_LOOK_SECONDS = 0.2


class Github:
    """What one stand-in knows."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.shapes = Shapes(home.addresses().github_url)
        self.state = seeded(datetime.now(UTC))
        self.kept: dict[str, State] = {}
        self.troubles: list[Trouble] = []
        self.contract: Contract | None = None
        self.violations: list[str] = []
        self.asked = 0

    def token(self) -> str:
        """The one token that it takes."""
        return (self.home.credentials / "github-token").read_text(encoding="utf-8")

    async def tell(self) -> None:
        """Send webhooks as things happen, until it is stopped."""
        while True:
            for event in hooks.due(self.state, self.shapes, datetime.now(UTC)):
                await asyncio.to_thread(hooks.send, self.home, event)
            await asyncio.sleep(_LOOK_SECONDS)


def application(home: Home) -> Starlette:
    """The stand-in for one sandbox."""
    github = Github(home)

    @contextlib.asynccontextmanager
    async def telling(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(github.tell())
        yield
        task.cancel()

    app = Starlette(
        routes=[*actions.ROUTES, *talk.ROUTES, *pulls.ROUTES, *control.ROUTES],
        middleware=[Middleware(Front)],
        exception_handlers={HTTPException: _refused},
        lifespan=telling,
    )
    app.state.github = github
    return app


async def _refused(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = error.detail if isinstance(error, HTTPException) else "Server Error"
    told = {"message": message, "documentation_url": "https://docs.github.com/rest", "status": str(status)}
    return JSONResponse(told, status)


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    import uvicorn

    from sandbox.processes import live_and_die_with_parent

    home = Home(Path(arguments[0]))
    config = uvicorn.Config(
        application(home), host="127.0.0.1", port=home.addresses().github, log_level="warning"
    )
    server = uvicorn.Server(config)
    live_and_die_with_parent()
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
