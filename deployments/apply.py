"""`python -m deployments.apply`: make the Prefect server have what `prefect.yaml` and the environments say.

Blocks, deployments, schedules and automations; created, updated, left alone or removed, and applying twice
changes nothing. Things that are not ours (tag `backstop`, the note of our blocks) are never touched.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.changes import Applied, Kind
from deployments.prefect_yaml import FILE, OURS, Entry, read_prefect_yaml, refuse_unknown_parameters
from deployments.responder import TAGS
from rules.errors import BackstopError, RecoveryRefused

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.filters import DeploymentFilter
    from prefect.client.schemas.responses import DeploymentResponse

_COMPARED = (
    "entrypoint",
    "description",
    "tags",
    "parameters",
    "parameter_openapi_schema",
    "schedules",
    "concurrency_limit",
    "work_pool_name",
    "job_variables",
    "paused",
)


def apply(
    file: Path = FILE,
    environments: Path | None = None,
    *,
    work_pool: str | None = None,
    rehearse: bool = False,
) -> list[Applied]:
    """Apply everything, and say what was done (with `rehearse`: what would be).

    Without `work_pool` the responder serves the deployments; with one, that pool's workers do.

    Raises:
        RecoveryRefused: a file is wrong, a flow or a pool is not there, a block of that name is somebody
            else's; nothing was changed.
    """
    from prefect.client.orchestration import get_client

    from deployments.automations import apply_automations
    from deployments.environments import load_all
    from deployments.register import register
    from deployments.schedules import schedule_each

    wanted = _wanted(file, work_pool)
    known = load_all(environments)
    with get_client(sync_client=True) as client:
        _refuse_unknown_pools(client, wanted)
        done = register(client, known, rehearse=rehearse)
        schedule_each(client, wanted, read_prefect_yaml(file).deployments, known)
        done += apply_deployments(client, wanted, rehearse=rehearse)
        done += apply_automations(client, rehearse=rehearse)
    return done


def apply_deployments(
    client: SyncPrefectClient, wanted: dict[str, dict[str, Any]], *, rehearse: bool = False, ours: str = OURS
) -> list[Applied]:
    """Make the deployments that carry the tag `ours` be exactly `wanted` (by `flow/deployment`)."""
    found = _found(client, ours)
    taken = _taken(client, [name for name in wanted if name not in found])
    done = []
    for full_name, spec in wanted.items():
        there = found.pop(full_name, None)
        differing = _differing(spec, there) if there else ()
        if there is None:
            done.append(Applied(kind=Kind.CREATED, what=f"deployment {full_name}"))
        elif differing:
            detail = ", ".join(differing)
            done.append(Applied(kind=Kind.UPDATED, what=f"deployment {full_name}", detail=detail))
        else:
            done.append(Applied(kind=Kind.UNCHANGED, what=f"deployment {full_name}"))
            continue
        if not rehearse:
            _write(client, full_name, spec, anew=there is None and full_name not in taken)
    for full_name, there in found.items():
        done.append(Applied(kind=Kind.REMOVED, what=f"deployment {full_name}"))
        if not rehearse:
            client.delete_deployment(there.id)
    return done


def specification(
    entry: Entry, file: Path = FILE, work_pool: str | None = None
) -> tuple[str, dict[str, Any]]:
    """A deployment's full name and everything that is written to the server for it.

    Raises:
        RecoveryRefused: its flow cannot be loaded, or does not have one of the parameters.
    """
    from deployments.forms import form
    from deployments.run_process import load

    flow = load(entry.entrypoint)
    schema = form(flow)
    refuse_unknown_parameters(file, entry, set(schema.get("properties", {})))
    pool = work_pool or (entry.work_pool.chosen if entry.work_pool else None)
    return f"{flow.name}/{entry.name}", {
        "entrypoint": entry.entrypoint,
        "description": entry.description or flow.description or "",
        # With a pool its workers carry the runs out: a responder must keep away from them.
        "tags": sorted({*entry.tags} - set(TAGS[1:]) if pool else {*entry.tags, *TAGS[1:]}),
        "parameters": entry.parameters,
        "parameter_openapi_schema": schema,
        "schedules": [one.model_dump() for one in entry.schedules],
        "concurrency_limit": entry.concurrency_limit.model_dump() if entry.concurrency_limit else None,
        "work_pool_name": pool,
        "job_variables": entry.work_pool.job_variables if entry.work_pool and pool else {},
        "paused": False,
    }


def _wanted(file: Path, work_pool: str | None) -> dict[str, dict[str, Any]]:
    return dict(specification(entry, file, work_pool) for entry in read_prefect_yaml(file).deployments)


def _found(client: SyncPrefectClient, ours: str) -> dict[str, DeploymentResponse]:
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags

    return _by_full_name(client, DeploymentFilter(tags=DeploymentFilterTags(all_=[ours])))


def _taken(client: SyncPrefectClient, names: Sequence[str]) -> set[str]:
    """Which of these full names a deployment that is not ours has: it gives its name, and what it has is replaced."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    short = [name.partition("/")[2] for name in names]
    return (
        {*_by_full_name(client, DeploymentFilter(name=DeploymentFilterName(any_=short)))} if names else set()
    )


def _by_full_name(client: SyncPrefectClient, which: DeploymentFilter) -> dict[str, DeploymentResponse]:
    from prefect.client.schemas.sorting import DeploymentSort

    found = client.read_deployments(deployment_filter=which, sort=DeploymentSort.NAME_ASC, limit=200)
    flows = (
        {one.id: one.name for one in client.read_flows(deployment_filter=which, limit=200)} if found else {}
    )
    return {f"{flows[one.flow_id]}/{one.name}": one for one in found}


def _differing(spec: dict[str, Any], there: DeploymentResponse) -> tuple[str, ...]:
    """Which parts of a deployment on the server are not as wanted."""
    now = there.model_dump(include=set(_COMPARED))
    now["tags"] = sorted(there.tags)
    now["schedules"] = [_plain_schedule(one) for one in there.schedules]
    now["concurrency_limit"] = _plain_limit(there)
    now["work_pool_name"] = there.work_pool_name
    wanted = dict(spec, schedules=sorted(spec["schedules"], key=_slug))
    now["schedules"].sort(key=_slug)
    return tuple(name for name in _COMPARED if (now.get(name) or None) != (wanted[name] or None))


def _plain_schedule(there: Any) -> dict[str, Any]:
    """A schedule of the server as `prefect.yaml` would say it."""
    timing = there.schedule
    interval = getattr(timing, "interval", None)
    return {
        "slug": there.slug,
        "cron": getattr(timing, "cron", None),
        "interval": interval.total_seconds() if interval else None,
        "anchor_date": timing.anchor_date if interval else None,
        "rrule": getattr(timing, "rrule", None),
        "timezone": timing.timezone or "UTC",
        "active": there.active,
        "parameters": there.parameters,
    }


def _plain_limit(there: DeploymentResponse) -> dict[str, Any] | None:
    """A deployment's limit as `prefect.yaml` would say it."""
    limit, options = there.global_concurrency_limit, there.concurrency_options
    if limit is None:
        return None
    strategy = options.collision_strategy.value if options else "ENQUEUE"
    return {"limit": limit.limit, "collision_strategy": strategy}


def _slug(schedule: dict[str, Any]) -> str:
    return str(schedule["slug"])


def _write(client: SyncPrefectClient, full_name: str, spec: dict[str, Any], *, anew: bool) -> None:
    """Create the deployment, or replace the one of that name (the server keeps its id and its runs)."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
    from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
    from prefect.client.schemas.schedules import construct_schedule

    flow_name, _, name = full_name.partition("/")
    limit = spec["concurrency_limit"]
    schedules = [
        DeploymentScheduleCreate(
            schedule=construct_schedule(
                **{key: one[key] for key in ("cron", "interval", "anchor_date", "rrule", "timezone")}
            ),
            active=one["active"],
            slug=one["slug"],
            parameters=one["parameters"],
        )
        for one in spec["schedules"]
    ]
    written = client.create_deployment(
        flow_id=client.create_flow_from_name(flow_name),
        name=name,
        enforce_parameter_schema=True,
        schedules=schedules,
        concurrency_limit=limit["limit"] if limit else None,
        concurrency_options=ConcurrencyOptions(
            collision_strategy=ConcurrencyLimitStrategy(limit["collision_strategy"])
        )
        if limit
        else None,
        **{key: spec[key] for key in _COMPARED if key not in ("schedules", "concurrency_limit")},
    )
    if anew:
        return
    if limit is None:  # replacing does not take a limit away
        client.update_deployment(written, DeploymentUpdate(concurrency_limit=None, concurrency_options=None))
    if spec["work_pool_name"] is None:  # and leaves it in the pool it was in
        client.update_deployment(written, DeploymentUpdate(work_pool_name=None))


def _refuse_unknown_pools(client: SyncPrefectClient, wanted: dict[str, dict[str, Any]]) -> None:
    from prefect.exceptions import ObjectNotFound

    for name in sorted({spec["work_pool_name"] for spec in wanted.values()} - {None}):
        try:
            client.read_work_pool(name)
        except ObjectNotFound as error:
            raise RecoveryRefused(
                f"There is no work pool `{name}`.", hint=f"prefect work-pool create {name} --type process"
            ) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Apply and print what changed. Exit code 0, or 3 when something is wrong and nothing was done."""
    options = argparse.ArgumentParser(prog="python -m deployments.apply", description=__doc__)
    options.add_argument("--file", type=Path, default=FILE, help="default: prefect.yaml")
    options.add_argument("--environments", type=Path, help="folder of the environment files")
    options.add_argument("--work-pool", help="let this pool's workers run the flows, not the responder")
    options.add_argument("--rehearse", action="store_true", help="only say what would change")
    given = options.parse_args(arguments)
    try:
        done = apply(given.file, given.environments, work_pool=given.work_pool, rehearse=given.rehearse)
    except BackstopError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    sys.stdout.write("".join(f"{one}\n" for one in done))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
