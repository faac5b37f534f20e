"""Whether a test kit is set up to touch what it is meant to touch, and nothing else.

Runbook source: 000, «Prevention Checklist» and scenario 2 «Fix configuration».
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from rules.outcomes import Check, Verdict
from rules.stray_messages import QueueState
from rules.values import Frozen

_HOST = re.compile(
    r"^https?://(?:sqs\.)?([a-z]{2}(?:-[a-z]+){1,2}-[0-9])?[^/]*/([0-9]{12})/([A-Za-z0-9_.-]+)$"
)
_PRODUCTION = re.compile(r"(?:^|[-_.])(?:prod|production|prd|live)(?:$|[-_.])", re.IGNORECASE)
NEEDED_REDACTION = ("aws_access_key_id", "aws_secret_access_key", "password", "api_key")
"""What the runbook wants redacted at the least."""
NEEDED_PATTERNS = ("email", "phone", "ssn", "name")
"""The runbook's patterns of personal data."""


class Place(Frozen):
    """What the environment says about where test runs act."""

    name: str
    account_id: str
    region: str
    targets: tuple[str, ...]
    blocked_accounts: tuple[str, ...] = ()


def judge_queue_setting(variable: str, configured: str, place: Place) -> Check:
    """Whether the kit publishes where it should; the reason of a refusal offers the right value."""
    right = place.targets[0]
    offer = f"set {variable}={right}"

    def told(verdict: Verdict, reason: str) -> Check:
        return Check(name=variable, verdict=verdict, reason=reason, wanted=right, seen=configured)

    if not configured:
        return told(Verdict.FAIL, f"it is not set: {offer}")
    parts = _HOST.match(configured)
    if parts is None:
        return told(Verdict.FAIL, f"it is no address of a queue: {offer}")
    region, account, queue = parts.groups()
    if account in place.blocked_accounts:
        return told(Verdict.FAIL, f"it is in account {account}, where tests must never act: {offer}")
    if account != place.account_id:
        return told(Verdict.FAIL, f"it is in account {account}, {place.name} is {place.account_id}: {offer}")
    if region and region != place.region:
        return told(Verdict.FAIL, f"it is in region {region}, {place.name} is in {place.region}: {offer}")
    if _PRODUCTION.search(queue):
        return told(Verdict.FAIL, f"{queue} sounds like production: {offer}")
    if configured not in place.targets:
        return told(Verdict.FAIL, f"test runs do not publish to {queue}: {offer}")
    return told(Verdict.PASS, f"{queue} is meant for test runs")


def judge_target(state: QueueState) -> Check:
    """Whether the queue that tests publish to is there."""
    name = f"queue {state.name}"
    if not state.exists:
        return Check(name=name, verdict=Verdict.FAIL, reason="it does not exist", wanted="exists")
    return Check(name=name, verdict=Verdict.PASS, reason=f"it holds {state.total} messages")


def judge_account(variable: str, configured: str, seen: str, place: Place) -> Check:
    """Whether the credentials in hand, and what the kit believes, are the environment's account."""
    name, wanted = "account", place.account_id
    if seen in place.blocked_accounts:
        reason = f"the credentials belong to account {seen}, where tests must never act"
    elif seen != wanted:
        reason = f"the credentials belong to account {seen}, {place.name} is {wanted}"
    elif configured and configured != wanted:
        reason = f"{variable} says {configured}, {place.name} is {wanted}"
    elif not configured:
        return Check(
            name=name, verdict=Verdict.INCONCLUSIVE, reason=f"{variable} is not set", wanted=wanted, seen=seen
        )
    else:
        return Check(name=name, verdict=Verdict.PASS, reason=f"it is {seen}", wanted=wanted, seen=seen)
    return Check(name=name, verdict=Verdict.FAIL, reason=reason, wanted=wanted, seen=seen)


def judge_blocked(variable: str, configured: str, place: Place) -> Check:
    """Whether the kit itself refuses every account that is blocked."""
    have = {account.strip() for account in configured.split(",")}
    missing = sorted(set(place.blocked_accounts) - have)
    if not missing:
        told = f"the kit refuses {len(place.blocked_accounts)} accounts by itself"
        return Check(name=variable, verdict=Verdict.PASS, reason=told, seen=configured)
    fixed = ",".join(sorted({*have, *missing} - {""}))
    reason = f"the kit would act in {missing[0]}, where tests must never act: set {variable}={fixed}"
    return Check(name=variable, verdict=Verdict.FAIL, reason=reason, wanted=fixed, seen=configured)


def judge_mode(variable: str, configured: str) -> Check:
    """Whether somebody chose the kit's mode: an unset one means whatever its author thought of."""
    if configured:
        return Check(name=variable, verdict=Verdict.PASS, reason=f"it is {configured}", seen=configured)
    return Check(name=variable, verdict=Verdict.FAIL, reason="it is not set: choose it", wanted="set")


def judge_redaction(variable: str, configured: str, needed: Sequence[str] = NEEDED_REDACTION) -> Check:
    """Whether what must never be in an artifact is redacted."""
    have = {name.strip().lower() for name in configured.split(",") if name.strip()}
    missing = [name for name in needed if name not in have]
    if not missing:
        return Check(name=variable, verdict=Verdict.PASS, reason=f"{len(have)} names are redacted")
    fixed = ",".join([*sorted(have), *missing])
    return Check(
        name=variable,
        verdict=Verdict.FAIL,
        reason=f"{', '.join(missing)} would not be redacted: set {variable}={fixed}",
        wanted=fixed,
        seen=configured,
    )


def judge_committed(what: str, tracked: Sequence[str] | None) -> Check:
    """Whether git has what must never be committed. None: there is no repository, or git could not be asked."""
    name = f"{what} in git"
    if tracked is None:
        return Check(name=name, verdict=Verdict.PASS, reason="the folder is no git repository")
    if tracked:
        more = f" and {len(tracked) - 1} more" if len(tracked) > 1 else ""
        return Check(
            name=name,
            verdict=Verdict.FAIL,
            reason=f"{tracked[0]}{more} is committed: `git rm --cached`, then clean the history",
            wanted="not committed",
        )
    return Check(name=name, verdict=Verdict.PASS, reason="nothing is committed")


def judge_out(run_id: str, *, taken: bool) -> Check:
    """Whether the folder of the next run is its own."""
    if not run_id:
        return Check(
            name="--out", verdict=Verdict.INCONCLUSIVE, reason="no run id was given to check", wanted="unique"
        )
    if taken:
        return Check(
            name="--out",
            verdict=Verdict.FAIL,
            reason=f"{run_id} exists already: choose another",
            wanted="unique",
        )
    return Check(name="--out", verdict=Verdict.PASS, reason=f"{run_id} is free")


def judge_locks(held: Mapping[str, bool]) -> Check:
    """Whether a lock keeps the next run out. `held` says of each lock's run whether it lives."""
    name = "locks"
    if not held:
        return Check(name=name, verdict=Verdict.PASS, reason="none is held")
    stale = [run for run, lives in held.items() if not lives]
    if stale:
        reason = f"the dead run {stale[0]} left one: `backstop recover hung-process`"
    else:
        reason = f"{next(iter(held))} is at work: wait for it"
    return Check(name=name, verdict=Verdict.FAIL, reason=reason, wanted="free")


def read_settings(text: str) -> dict[str, str]:
    """The settings of a `.env` file: names and values, without comments, quotes and `export`."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip() and not name.startswith("#"):
            found[name.strip()] = value.strip().strip("'\"")
    return found


def with_setting(text: str, name: str, value: str) -> str:
    """A `.env` file with one setting changed, or added at its end; every other line stays as it is."""
    lines, done = [], False
    for line in text.splitlines():
        found = line.strip().removeprefix("export ").partition("=")[0].strip()
        mine = found == name and not line.lstrip().startswith("#")
        lines.append(f"{line[: line.index(name)]}{name}={value}" if mine else line)
        done = done or mine
    return "\n".join([*lines, *([] if done else [f"{name}={value}"])]) + "\n"


def moment(text: str) -> datetime | None:
    """A moment that a person wrote, UTC where no zone is given; None when it is none."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
