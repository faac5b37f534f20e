"""`backstop backup`: back a Docker stack up before a deployment, or list its backups."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cli.names import environment_name
from cli.options import AsJson, EnvironmentOption, command
from cli.printing import console, print_json, table

if TYPE_CHECKING:
    from blocks.environment import Environment
    from rules.backups import BackupManifest
    from tasks.restore_trials import Trial

SHOWN = 20
app = command(
    "backup",
    "backup --environment masking --reason 'release 42'",
    "backup --environment masking --critical",
    "backup --environment masking --list",
    "backup --environment masking --test",
    "backup --environment masking --take-back 20260729-143022-deploy-3fa2",
    exits="0 done · 1 failed, or a test did: do not deploy · 2 wrong command line · 3 refused, nothing was written",
)


@app.default
def backup(
    *,
    environment: EnvironmentOption,
    kind: Literal["deploy", "manual"] = "deploy",
    reason: str = "",
    critical: bool = False,
    listed: Annotated[bool, Parameter(name="--list")] = False,
    test: bool = False,
    back: Annotated[str | None, Parameter(name="--take-back")] = None,
    as_json: AsJson = False,
) -> int:
    """Back a Docker stack up here, with no Prefect server; for the start of deploy.sh.

    Args:
        environment: Which one.
        kind: Why it is made.
        reason: For its manifest.
        critical: Keep it longer than others.
        listed: Make none; show the newest ones, what tests of them found, and which are in the trash.
        test: Make none; restore each that was never tested beside the stack, and compare.
        back: Make none; take this one out of the trash, until the next retention.
        as_json: Print manifests as JSON.
    """
    from deployments.environments import load_environment

    place = load_environment(environment_name(environment))
    if listed:
        return _list(place, as_json=as_json)
    if test:
        return _test(place, as_json=as_json)
    if back is not None:
        return _take_back(place, back)
    from flows.backup import backup as make
    from rules.backups import BackupKind

    manifest: BackupManifest = make.fn(
        place, BackupKind(kind), reason=reason, requested_by=getpass.getuser(), critical=critical
    )
    if as_json:
        print_json(manifest.model_dump(mode="json"))
    else:
        seconds = (manifest.finished_at - manifest.began_at).total_seconds()
        console().print(f"{manifest.id}: {manifest.data.key_count} keys, {_size(manifest)}, {seconds:.1f} s")
    return 0


def _list(environment: Environment, *, as_json: bool) -> int:
    from tasks.backup_keeping import list_backups

    found = list_backups(environment, SHOWN)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return 0
    rows = [
        (
            each.manifest.id,
            str(each.manifest.data.key_count),
            _size(each.manifest),
            each.proof.value,
            "in the trash" if each.in_trash else "critical" if each.manifest.critical else "",
            each.manifest.reason,
        )
        for each in found
    ]
    table("", ("backup", "keys", "size", "restore", "", "reason"), rows)
    return 0


def _take_back(environment: Environment, backup: str) -> int:
    from rules.errors import RecoveryRefused
    from tasks.backup_keeping import take_back

    if not take_back(environment, [backup]):
        raise RecoveryRefused(
            f"There is no backup {backup} in the trash.",
            hint=f"`backstop backup --environment {environment.name} --list` shows what there is.",
        )
    console().print(f"{backup} is back. The next retention decides again.")
    return 0


def _test(environment: Environment, *, as_json: bool) -> int:
    from flows.restore_test import restore_test

    trials: list[Trial] = restore_test.fn(environment, every=True)
    if as_json:
        print_json([trial.model_dump(mode="json") for trial in trials])
    else:
        rows = [
            (
                each.backup,
                each.verification.verdict.value,
                f"{each.seconds:.1f} s",
                "; ".join(each.verification.reasons),
            )
            for each in trials
        ]
        table("", ("backup", "restore", "", "reason"), rows)
    return int(any(each.verification.verdict.value != "pass" for each in trials))


def _size(manifest: BackupManifest) -> str:
    return f"{sum(file.size for file in manifest.files) / 1e6:.1f} MB"
