"""The gateway of a Docker stack: whether it answers, and whether identifiers are masked and come back."""

from __future__ import annotations

import secrets

import httpx

from blocks.docker_stack import MaskingCheck
from blocks.environment import Environment
from blocks.redis_errors import translated
from rules.errors import StepFailed
from rules.gateways import GatewayLook
from rules.health import Look
from rules.outcomes import Verdict
from tasks.kinds import in_parallel, probe
from tasks.redis_data import connection

_SECONDS = 5.0
_MOST_BYTES = 65536


@probe(retries=0)
def look_at_gateway(environment: Environment) -> GatewayLook | None:
    """How the gateway's admin API and its proxy answer; None: the platform has no gateway.

    An error, a refused connection and silence are observations, not errors.
    """
    gateway = environment.docker_stack.gateway
    if gateway is None:
        return None
    admin, proxy = in_parallel(
        [
            lambda: _look(f"{gateway.admin_url.rstrip('/')}/status", all_fail_from=400),
            lambda: _look(gateway.proxy_url, all_fail_from=500),
        ]
    )
    return GatewayLook(admin=admin, proxy=proxy)


def _look(url: str, *, all_fail_from: int) -> Look:
    try:
        answer = httpx.get(url, timeout=_SECONDS, follow_redirects=False, trust_env=False)
    except httpx.HTTPError as error:
        return Look(verdict=Verdict.FAIL, reason=f"no answer ({type(error).__name__})")
    told = f"answered {answer.status_code}"
    if answer.status_code >= all_fail_from:
        said = " ".join(answer.text[:300].split())
        return Look(verdict=Verdict.FAIL, reason=f"{told}: {said}" if said else told)
    return Look(verdict=Verdict.PASS, reason=told)


@probe(retries=0)
def mask_and_unmask(environment: Environment) -> Look | None:
    """Send a made-up identifier through the whole stack; None: the platform has no masking check.

    It passes when the answer holds the identifier again and Redis holds its mask: without a mapping it went through
    bare. The mapping is removed afterwards.
    """
    check = environment.docker_stack.masking
    if check is None:
        return None
    identifier = f"i-{secrets.token_hex(9)[:17]}"
    headers = {check.header: check.key.read(environment.account).get_secret_value()} if check.key else {}
    try:
        answer = httpx.post(
            check.url,
            content=check.body.replace("{identifier}", identifier),
            headers=headers,
            timeout=check.timeout_seconds,
            follow_redirects=False,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        # The message of some errors repeats the request's headers; the type says enough.
        return Look(verdict=Verdict.FAIL, reason=f"no answer ({type(error).__name__})")
    mask, trouble = _taken_mask(environment, check, identifier)
    if answer.status_code >= 400:
        return Look(verdict=Verdict.FAIL, reason=f"answered {answer.status_code}")
    if trouble:
        return Look(verdict=Verdict.INCONCLUSIVE, reason=f"the mapping could not be looked at: {trouble}")
    if not mask:
        return Look(verdict=Verdict.FAIL, reason="the identifier went through without a mask")
    if identifier not in answer.text[:_MOST_BYTES]:
        return Look(verdict=Verdict.FAIL, reason="the answer does not hold the identifier again")
    return Look(verdict=Verdict.PASS, reason="an identifier was masked and came back")


def _taken_mask(environment: Environment, check: MaskingCheck, identifier: str) -> tuple[str, str]:
    """The mask that Redis holds for the identifier, both mappings removed; or why that could not be seen."""
    key = check.mapping_key.replace("{identifier}", identifier)
    try:
        with connection(environment) as redis, translated("look at the mapping"):
            mask = str(redis.get(key) or "")
            if mask:
                redis.delete(key, check.reverse_key.replace("{mask}", mask))
    except StepFailed as error:
        return "", error.message
    return mask, ""
