"""Choosing the release to return to, with its packages proven to be what they were."""

from __future__ import annotations

from functools import partial

from blocks.environment import Environment
from flows._release_memory import release_history
from ledger import plans
from ledger.attempts import was_deployed_in_vain
from ledger.cases import current_case
from rules.errors import NoWayBack, RecoveryRefused, StepFailed
from rules.health import RunningCode, same_release, short
from rules.names import release_name
from rules.rollback_targets import Deployment, choose, expected_code, running_release, standing
from rules.values import Frozen
from tasks.kinds import in_parallel
from tasks.release_packages import Package, package_of, release_of
from tasks.service_looks import ServiceLook, look_at_service

_MOST_REASONS = 12


class Target(Frozen):
    """A release to return to. `live` is what callers of each function get now."""

    release: str
    running: str
    packages: dict[str, Package]
    live: dict[str, RunningCode]
    reasons: tuple[str, ...]

    @property
    def code(self) -> dict[str, str]:
        """SHA-256 of the wanted package of each function."""
        return {function: package.sha256 for function, package in self.packages.items()}

    @property
    def wrong(self) -> tuple[str, ...]:
        """The functions whose callers do not get exactly the target's code."""
        return tuple(
            f for f, live in self.live.items() if live.sha256 != self.packages[f].sha256 or live.also
        )


def choose_target(environment: Environment, to_release: str | None) -> Target:
    """The release to return to: the one asked for, or the last that was proven good and is not running.

    An incident keeps the target it chose first: after half a rollback «the previous release» means something else.

    Raises:
        RecoveryRefused: the release asked for is running, broken, never proven, or has no sound packages.
        NoWayBack: no release is left to return to.
    """
    history = release_history(environment)
    look = look_at_service(environment)
    missing = [
        function.name for function in environment.lambda_platform.functions if function.name not in look.code
    ]
    if missing:
        raise NoWayBack(f"The live code of {', '.join(missing)} could not be read: {look.problems}.")
    live = {function: code.sha256 for function, code in look.code.items()}
    running = running_release(history, live) or _named_otherwise(environment, look, history)
    kept = _target_of_this_incident()
    case = current_case.get()
    if kept and case and was_deployed_in_vain(case, kept):
        raise NoWayBack(
            f"Release {kept} was deployed completely and did not help.", hint="Look for another cause."
        )
    if kept:
        packages, reason = sound_packages(environment, history, kept)
        if not packages:
            raise NoWayBack(f"Release {kept}, the target of this incident, cannot be used: {reason}.")
        return _target(kept, running, packages, look, (f"{kept} is the target of this incident",))
    if to_release:
        to_release = _spelled(history, release_name(to_release))
        judged = standing(history, to_release, live, running)
        if not judged.eligible:
            raise RecoveryRefused(
                f"Release {to_release} cannot be returned to: {judged.reason}.",
                hint=_advice(choose(history, live, running).candidates),
            )
        packages, reason = sound_packages(environment, history, to_release)
        if not packages:
            raise RecoveryRefused(
                f"Release {to_release} cannot be returned to: {reason}.", hint="Choose another one."
            )
        asked = f"{to_release} was asked for: {judged.reason}"
        return _target(to_release, running, packages, look, (asked, reason))
    return _first_sound(environment, history, look, running)


def _first_sound(
    environment: Environment, history: list[Deployment], look: ServiceLook, running: str
) -> Target:
    choice = choose(history, {function: code.sha256 for function, code in look.code.items()}, running)
    reasons = [f"{s.release}: {s.reason}" for s in choice.standings]
    for release in choice.candidates:
        packages, reason = sound_packages(environment, history, release)
        reasons.append(f"{release}: {reason}")
        if packages:
            return _target(release, running, packages, look, tuple(reasons[-_MOST_REASONS:]))
    told = "; ".join(reasons[:_MOST_REASONS]) or "no release was ever recorded here"
    raise NoWayBack(
        f"No release is left to return to: {told}.",
        hint="Deploy pipelines record proven releases with the flow `record-release`.",
    )


def sound_packages(
    environment: Environment, history: list[Deployment], release: str
) -> tuple[dict[str, Package], str]:
    """A release's packages when all are there and are the bytes that were proven; else none, and why."""
    names = [function.name for function in environment.lambda_platform.functions]
    try:
        found = in_parallel([partial(package_of, environment, name, release) for name in names])
    except NoWayBack as error:
        return {}, error.message.rstrip(".")
    proven = expected_code(history, release)
    for package in found:
        wanted = proven.get(package.function, package.sha256)
        if package.sha256 != wanted:
            told = f"its package {package.key} holds {short(package.sha256)}, proven was {short(wanted)}"
            return {}, told
    exist = f"its {len(found)} packages exist"
    return dict(zip(names, found, strict=True)), f"{exist} and are the proven ones" if proven else exist


def _target(
    release: str, running: str, packages: dict[str, Package], look: ServiceLook, reasons: tuple[str, ...]
) -> Target:
    return Target(release=release, running=running, packages=packages, live=look.code, reasons=reasons)


def _named_otherwise(environment: Environment, look: ServiceLook, history: list[Deployment]) -> str:
    """The running release as the service names it, in the ledger's spelling where it knows it; else by its bytes.

    A release that broke before it was recorded is in no history, and may be too broken to say its name. One that
    answers, and is known to be live in part only, is not the running one: a deployment stopped half way.
    """
    named = next((seen.release for seen in look.endpoints.values() if seen.release), "")
    if named:
        known = next((d.release for d in reversed(history) if same_release(named, d.release)), "")
        code = expected_code(history, known) if known else {}
        return "" if code else known or named
    try:
        found = set(in_parallel([partial(release_of, environment, code) for code in look.code.values()]))
    except (NoWayBack, StepFailed):
        return ""  # a name for the report, not worth failing for
    return found.pop() if len(found) == 1 else ""


def _spelled(history: list[Deployment], asked: str) -> str:
    """A release as the ledger spells it: at 3 a.m. people give the short form of a commit."""
    known = {d.release for d in history if same_release(asked, d.release)}
    return known.pop() if len(known) == 1 else asked


def _target_of_this_incident() -> str:
    case = current_case.get()
    earlier = plans.pinned(case) if case else None
    return earlier.target if earlier else ""


def _advice(candidates: tuple[str, ...]) -> str:
    return (
        f"Proven and available: {', '.join(candidates[:5])}." if candidates else "No release is proven here."
    )
