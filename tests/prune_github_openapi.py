"""Cuts GitHub's description of its API down to the calls that Backstop makes, for `tests/github_openapi.json`.

The whole (13 MB, MIT) is in npm's package `@octokit/openapi`, version 23.0.2:

    npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz
    python tests/prune_github_openapi.py package/generated/api.github.com.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

REPOSITORY = "/repos/{owner}/{repo}"
CALLS = {
    "/actions/workflows/{workflow_id}/runs": "get",
    "/actions/workflows/{workflow_id}/dispatches": "post",
    "/actions/runs/{run_id}": "get",
    "/actions/runs/{run_id}/attempts/{attempt_number}": "get",
    "/actions/runs/{run_id}/attempts/{attempt_number}/jobs": "get",
    "/actions/runs/{run_id}/cancel": "post",
    "/actions/runs/{run_id}/force-cancel": "post",
    "/actions/runs/{run_id}/rerun": "post",
    "/actions/runs/{run_id}/rerun-failed-jobs": "post",
    "/actions/runs/{run_id}/artifacts": "get",
    "/actions/artifacts/{artifact_id}/{archive_format}": "get",
    "/actions/jobs/{job_id}/logs": "get",
    "/issues": "get post",
    "/issues/{issue_number}/comments": "get post",
    "/issues/comments/{comment_id}": "patch",
    "/pulls": "get post",
}
"""Every call, by its path below the repository."""
_WORDS = {"description", "summary", "examples", "example", "externalDocs", "tags", "title", "deprecated"}
_AS = {"responses": "responses", "schemas": "properties", "parameters": "properties", "headers": "properties"}
"""How the keys of each kind of component are read."""


def pruned(whole: dict[str, Any]) -> dict[str, Any]:
    """The calls and everything they refer to, without words and examples."""
    paths = {}
    for path, methods in CALLS.items():
        full = whole["paths"][REPOSITORY + path]
        paths[REPOSITORY + path] = {method: _bare(full[method]) for method in methods.split()}
    components: dict[str, dict[str, Any]] = {}
    left: list[Any] = [paths]
    while left:
        here = left.pop()
        if isinstance(here, dict):
            reference = here.get("$ref")
            if isinstance(reference, str):
                _, _, kind, name = reference.split("/")
                if name not in components.setdefault(kind, {}):
                    components[kind] |= _bare({name: whole["components"][kind][name]}, within=_AS[kind])
                    left.append(components[kind][name])
            left += here.values()
        elif isinstance(here, list):
            left += here
    # It is called a date-time, and is a range of them in the syntax of GitHub's search.
    components["parameters"]["created"]["schema"].pop("format")
    info = {"title": "Part of GitHub's REST API", "version": whole["info"]["version"]}
    return {
        "openapi": whole["openapi"],
        "info": info | {"license": whole["info"]["license"]},
        "servers": [{"url": "https://api.github.com"}],
        "paths": paths,
        "components": {kind: dict(sorted(named.items())) for kind, named in sorted(components.items())},
    }


def _bare(value: Any, *, within: str = "") -> Any:
    """Without words. Within `properties` and `responses` every key is a name, and stays."""
    if isinstance(value, list):
        return [_bare(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    names = within in {"properties", "responses"}
    kept = {
        key: _bare(inner, within="" if names else key)
        for key, inner in value.items()
        if names or not (key in _WORDS or key.startswith("x-"))
    }
    if not names and kept.get("nullable") and None not in kept.get("enum", [None]):
        kept["enum"] = [*kept["enum"], None]  # OpenAPI 3.0.3 takes an enum at its word, GitHub does not
    if within == "responses":  # a response without a description is none
        return {
            key: inner if "$ref" in inner else {"description": "", **inner} for key, inner in kept.items()
        }
    return kept


if __name__ == "__main__":
    text = json.dumps(
        pruned(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), separators=(",", ":")
    )
    target = Path(__file__).with_name("github_openapi.json")
    target.write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(CALLS)} paths, {len(text) / 1000:.0f} kB\n")
