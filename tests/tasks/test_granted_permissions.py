"""What IAM says of our role is asked about the role, on the resources that count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from blocks import aws_account
from rules.errors import StepFailed
from tasks.granted_permissions import credentials_end, simulated
from tests.switchboard import make_environment

ROLE = "arn:aws:iam::123456789012:role/backstop"
SESSION = "arn:aws:sts::123456789012:assumed-role/backstop/backstop-17"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:one"


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stubber, Stubber]]:
    """STS and IAM, which answer what a test tells them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    account = make_environment().aws
    with Stubber(account.client("sts")) as sts, Stubber(account.client("iam")) as iam:
        sts.add_response(
            "get_caller_identity", {"Account": "123456789012", "Arn": SESSION, "UserId": "AROA:x"}
        )
        yield sts, iam


def result(decision: str, **more: Any) -> dict[str, Any]:
    """One result of a simulation."""
    return {"EvaluationResults": [{"EvalActionName": "x:y", "EvalDecision": decision, **more}]}


def test_an_assumed_role_is_asked_about_by_its_own_name(stubs: tuple[Stubber, Stubber]) -> None:
    """The session's name is no principal: its role is; each action on its own resources."""
    _, iam = stubs
    for action, resource, decision in (
        ("lambda:UpdateFunctionCode", ARN, "allowed"),
        ("s3:GetObject", "arn:aws:s3:::b/*", "implicitDeny"),
    ):
        iam.add_response(
            "simulate_principal_policy",
            result(decision),
            {"PolicySourceArn": ROLE, "ActionNames": [action], "ResourceArns": [resource]},
        )

    found = simulated.fn(
        make_environment(), {"lambda:UpdateFunctionCode": [ARN], "s3:GetObject": ["arn:aws:s3:::b/*"]}
    )

    assert found == {"lambda:UpdateFunctionCode": True, "s3:GetObject": False}


def test_one_resource_that_is_refused_is_enough(stubs: tuple[Stubber, Stubber]) -> None:
    """An action that is allowed on one function and not on the other is not allowed."""
    resources = [
        {"EvalResourceName": name, "EvalResourceDecision": decision}
        for name, decision in ((ARN, "allowed"), (f"{ARN}-2", "explicitDeny"))
    ]
    stubs[1].add_response("simulate_principal_policy", result("allowed", ResourceSpecificResults=resources))

    assert simulated.fn(make_environment(), {"lambda:UpdateAlias": [ARN, f"{ARN}-2"]}) == {
        "lambda:UpdateAlias": False
    }


def test_who_may_not_ask_is_told_so(stubs: tuple[Stubber, Stubber]) -> None:
    """Where IAM does not answer, nothing is said of the permissions."""
    stubs[1].add_client_error("simulate_principal_policy", "AccessDenied", http_status_code=403)

    with pytest.raises(StepFailed):
        simulated.fn(make_environment(), {"lambda:UpdateAlias": [ARN]})


def test_credentials_that_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session's end is read from the environment; keys that do not end, and what renews itself, have none."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    for told, found in (("", None), (ends.isoformat(), ends)):
        monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", told)
        if not told:
            monkeypatch.delenv("AWS_CREDENTIAL_EXPIRATION")
        aws_account._session.cache_clear()
        assert credentials_end(make_environment()) == found
    aws_account._session.cache_clear()
