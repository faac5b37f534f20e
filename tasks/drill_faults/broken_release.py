"""Drill fault: a release that is known to be bad goes live, as a deployment in a hurry brings it."""

from __future__ import annotations

from functools import partial

from blocks.aws_errors import translated
from blocks.environment import Environment
from rules.drills import FaultName
from rules.errors import NoWayBack, RecoveryRefused
from rules.health import RunningCode
from tasks._function_code import give_code, hexadecimal, point_alias
from tasks.drill_faults.kind import DrillFault, Note, Wish
from tasks.kinds import in_parallel
from tasks.lambdas import all_live_code, live_code
from tasks.release_packages import Package, package_of, release_of

_BAD, _GOOD = "bad ", "good "
"""Before a function's name in the note: its package of the bad release, and of the one that was live."""


def prepare(environment: Environment, wish: Wish) -> dict[str, str]:
    """The packages of the newest release that was proven bad, and of the one that is live.

    Permissions: lambda:GetAlias, lambda:GetFunctionConfiguration, s3:GetObject, s3:ListBucket
    """
    live: dict[str, RunningCode] = {code.function: code for code in all_live_code(environment)}
    good = {name: _package_of_live(environment, code) for name, code in live.items()}
    why = []
    for release in wish.broken:
        try:
            bad = in_parallel([partial(package_of, environment, name, release) for name in live])
        except NoWayBack as error:
            why.append(error.message)
            continue
        changed = [package for package in bad if package.sha256 != live[package.function].sha256]
        if not changed:
            why.append(f"release {release} is live already")
            continue
        note = {f"{_BAD}{package.function}": package.model_dump_json() for package in changed}
        return note | {
            f"{_GOOD}{package.function}": good[package.function].model_dump_json() for package in changed
        }
    raise RecoveryRefused(
        f"There is no bad release to deploy: {'; '.join(why) or 'none is remembered as bad here'}.",
        hint="Mark one that failed: the flow `record-release` remembers it as broken.",
    )


def inject(environment: Environment, note: Note) -> None:
    """Deploy it: code first, then the aliases.

    Permissions: lambda:UpdateFunctionCode, lambda:PublishVersion, lambda:UpdateAlias, s3:GetObject
    """
    _deploy(environment, list(_packages(note, _BAD).values()))


def undo(environment: Environment, note: Note) -> str:
    """Bring back the release that was live, for each function that still has the bad one's code."""
    good = _packages(note, _GOOD)
    left = [
        good[name]
        for name, bad in _packages(note, _BAD).items()
        if bad.sha256 in (_newest_code(environment, name), _live(environment, name))
    ]
    _deploy(environment, left)
    return f"{', '.join(p.function for p in left)} had the bad code still" if left else ""


def _deploy(environment: Environment, packages: list[Package]) -> None:
    for package in packages:
        give_code(environment, package.function, package)
        point_alias(environment, package.function, package)


def _package_of_live(environment: Environment, code: RunningCode) -> Package:
    release: str = release_of(environment, code)
    if not release:
        raise RecoveryRefused(
            f"The code of {code.function} is in no package of the bucket: it could not be brought back.",
            hint="Deploy a release whose packages are kept, then drill.",
        )
    found: Package = package_of(environment, code.function, release)
    return found


def _packages(note: Note, prefix: str) -> dict[str, Package]:
    found = [Package.model_validate_json(text) for name, text in note.items() if name.startswith(prefix)]
    return {package.function: package for package in found}


def _live(environment: Environment, function: str) -> str:
    code: RunningCode = live_code(environment, function)
    return code.sha256


def _newest_code(environment: Environment, function: str) -> str:
    """What a function has, whether its alias points there or not: a deployment may have been killed between the two."""
    with translated(f"read the code of {function}"):
        seen = environment.aws.client("lambda").get_function_configuration(FunctionName=function)
    return hexadecimal(seen["CodeSha256"])


BROKEN_RELEASE = DrillFault(FaultName.BROKEN_RELEASE, prepare, inject, undo)
