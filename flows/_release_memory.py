"""What the ledger remembers of releases, as the rules judge it."""

from __future__ import annotations

from blocks.environment import Environment
from ledger import releases
from ledger.cases import current_case, now
from ledger.database import open_ledger
from rules.errors import RecoveryRefused
from rules.outcomes import Verdict
from rules.rollback_targets import CODE, Deployment

INCIDENT = "incident"


def release_history(environment: Environment) -> list[Deployment]:
    """Every recorded deployment of an environment, oldest first."""
    with open_ledger().reading() as session:
        rows = releases.history(session, environment.name)
        return [
            Deployment(
                release=row.release,
                deployed_at=row.deployed_at,
                verdict=Verdict(row.verdict) if row.verdict else None,
                code={k.removeprefix(CODE): str(v) for k, v in row.evidence.items() if k.startswith(CODE)},
            )
            for row in reversed(rows)
        ]


def remember(
    environment: Environment, release: str, verdict: Verdict, code: dict[str, str], why: str = ""
) -> None:
    """Write what the running incident proved of a release; a resumed run does not write it twice.

    Raises:
        LeaseLost: another run took the incident over.
    """
    case = current_case.get()
    if case is None or case.rehearsal:
        raise RecoveryRefused("Only a real incident can prove a release.")
    with case.writing(f"release {release} {verdict.value}") as session:
        for row in releases.history(session, environment.name):
            if (row.release, row.verdict) == (release, verdict.value) and row.evidence.get(
                INCIDENT
            ) == case.incident_id:
                return
        evidence = {f"{CODE}{function}": sha256 for function, sha256 in code.items()}
        told = {INCIDENT: case.incident_id, **({"why": why} if why else {})}
        row = releases.record_deployment(
            session, environment.name, release, now(), "backstop", evidence | told
        )
        releases.record_verdict(session, row, verdict, now())
        case.append(session, "release", f"release {release} is remembered as {verdict.value}", told)


def record(
    environment: Environment, release: str, verdict: Verdict, code: dict[str, str], by: str, why: str = ""
) -> None:
    """Write a deployment and what its verification said, outside any incident.

    Nothing is written where the newest entry says the same already: a pipeline's run was killed after it had written.
    """
    evidence = {f"{CODE}{function}": sha256 for function, sha256 in code.items()}
    told = {"why": why} if why else {}
    with open_ledger().session("record a release") as session:
        newest = next(iter(releases.history(session, environment.name)), None)
        if newest and (newest.release, newest.verdict) == (release, verdict.value):
            known = {key: value for key, value in newest.evidence.items() if key.startswith(CODE)}
            if known == evidence:
                return
        row = releases.record_deployment(session, environment.name, release, now(), by, evidence | told)
        releases.record_verdict(session, row, verdict, now())
