"""Pages as GitHub cuts them: `per_page`, `page` and a Link header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Page:
    """One page and the header that leads to the next."""

    items: list[Any]
    headers: dict[str, str]


def paged(request: Request, whole: Sequence[Any]) -> Page:
    """The page that was asked for: 30 a page if not said, 100 at most."""
    size = min(int(request.query_params.get("per_page", 30)), 100)
    number = int(request.query_params.get("page", 1))
    items = list(whole[(number - 1) * size : number * size])
    if number * size >= len(whole):
        return Page(items, {})
    following = request.url.include_query_params(page=number + 1)
    return Page(items, {"link": f'<{following}>; rel="next"'})
