"""The gateway and the way through it, on a real stack."""

from __future__ import annotations

import pytest

from blocks.environment import Environment
from rules.gateways import judge_gateway
from rules.outcomes import Verdict
from sandbox.stack.stack import DockerStack, wait_for
from tasks.gateways import look_at_gateway, mask_and_unmask

pytestmark = [pytest.mark.real, pytest.mark.slow]


def verdicts(environment: Environment) -> dict[str, Verdict]:
    """Each check's verdict, looked at now."""
    checks = judge_gateway(look_at_gateway.fn(environment), mask_and_unmask.fn(environment))
    return {check.name: check.verdict for check in checks}


def test_an_identifier_goes_through_and_leaves_no_trace(
    masking: Environment, fresh_stack: DockerStack
) -> None:
    """Both doors answer, the identifier is masked and comes back, and no mapping of ours stays."""
    before = set(fresh_stack.redis().keys("aws_masker:*"))

    assert set(verdicts(masking).values()) == {Verdict.PASS}

    assert set(fresh_stack.redis().keys("aws_masker:*")) - before <= {"aws_masker:seq"}
    assert fresh_stack.seen_by_app().startswith("AWS_EC2_")


def test_masking_that_is_switched_off_fails(masking: Environment, fresh_stack: DockerStack) -> None:
    """Everything answers well, and identifiers go through bare: only the mapping shows it."""
    text = fresh_stack.config_env.read_text().replace("ENABLED=true", "ENABLED=false")
    fresh_stack.config_env.write_text(text)
    fresh_stack.container("kong").remove(force=True)
    fresh_stack.up()

    assert verdicts(masking) == {
        "gateway admin API": Verdict.PASS,
        "gateway proxy": Verdict.PASS,
        "masking": Verdict.FAIL,
    }


def test_an_error_a_refusal_and_silence_are_one_symptom(
    masking: Environment, fresh_stack: DockerStack
) -> None:
    """A broken declarative file, a gateway that is gone: both doors and the way through fail."""
    (fresh_stack.home / "kong.yml").write_text("services: []\n")
    fresh_stack.container("kong").restart(timeout=3)
    wait_for(lambda: set(verdicts(masking).values()) == {Verdict.FAIL}, "it fails", 10)
    fresh_stack.container("kong").stop(timeout=3)

    assert set(verdicts(masking).values()) == {Verdict.FAIL}
