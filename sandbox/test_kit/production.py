"""The production account that a test run must never act in: a queue with customers' orders, a secret."""

from __future__ import annotations

import json
from typing import Any

from botocore.session import get_session

from sandbox.aws_queues import PEEK_PATH
from sandbox.organs import ORGAN
from sandbox.places import REGION
from sandbox.test_kit.place import Kept, KitPlace

PRODUCTION = "888888888888"
ORDERS, PARTNER_KEY = "prod-orders-intake", "orders/partner-key"
DEPLOYER, AUDITOR = (f"arn:aws:iam::{PRODUCTION}:role/{name}" for name in ("deployer", "auditor"))
"""Roles: of whom somebody took the profile by mistake; as whom Backstop looks."""
CUSTOMERS = 5


def open_production(place: KitPlace) -> None:
    """Make the queue with customers' orders in it, and the secret."""
    from botocore.config import Config

    def there(service: str) -> Any:
        config = Config(user_agent_extra=ORGAN)
        return get_session().create_client(
            service, region_name=REGION, endpoint_url=place.home.addresses().aws_url, config=config, **_keys(place)
        )  # fmt: skip

    sqs = there("sqs")
    sqs.create_queue(QueueName=ORDERS)
    for number in range(CUSTOMERS):
        body = {"type": "order.placed", "order": f"customer-{number}"}
        sqs.send_message(QueueUrl=url(place), MessageBody=json.dumps(body))
    there("secretsmanager").create_secret(Name=PARTNER_KEY, SecretString="sandbox")


def url(place: KitPlace) -> str:
    """The queue's address."""
    return f"{place.home.addresses().aws_url}/{PRODUCTION}/{ORDERS}"


def variables(place: KitPlace) -> dict[str, str]:
    """A terminal in which somebody took production's profile."""
    keys = _keys(place)
    return {
        "AWS_ACCESS_KEY_ID": keys["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["aws_secret_access_key"],
        "AWS_SESSION_TOKEN": keys["aws_session_token"],
    }


def held(place: KitPlace) -> list[Kept]:
    """What the queue holds, oldest first. Nothing is received."""
    return place.peek(f"{PEEK_PATH}{PRODUCTION}/{REGION}/{ORDERS}")


def _keys(place: KitPlace) -> dict[str, Any]:
    told = place.client("sts").assume_role(RoleArn=DEPLOYER, RoleSessionName="ada")["Credentials"]
    return {
        "aws_access_key_id": told["AccessKeyId"],
        "aws_secret_access_key": told["SecretAccessKey"],
        "aws_session_token": told["SessionToken"],
    }
