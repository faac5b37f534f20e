"""What is in the account before the service is, and the one thing somebody does by hand."""

from __future__ import annotations

import json
import secrets
from typing import Any

from sandbox import releases
from sandbox.organs import organ_client
from sandbox.places import ENVIRONMENTS, LOCK_TABLE, ROLE, STATE_BUCKET, Home, Place
from sandbox.test_kit.place import KitPlace, open_qa
from sandbox.test_kit.production import open_production

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def open_account(home: Home) -> None:
    """Make the state bucket, the lock table, the functions' role, the buckets with every release's packages, and qa."""

    def client(service: str) -> Any:
        return organ_client(service, home.addresses().aws_url)

    s3 = client("s3")
    if home.opened.exists():
        return
    for bucket in (STATE_BUCKET, *(Place(name).bucket for name in ENVIRONMENTS)):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=STATE_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    client("dynamodb").create_table(
        TableName=LOCK_TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
    )
    client("iam").create_role(RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=json.dumps(_TRUST))
    for name in ENVIRONMENTS:
        client("cloudwatch").put_metric_alarm(
            AlarmName=Place(name).lock_alarm,
            Namespace="Sentiment/Terraform",
            MetricName="LockedMinutes",
            Statistic="Maximum",
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            Threshold=30,
            Period=60,
            EvaluationPeriods=1,
            TreatMissingData="notBreaching",
            AlarmActions=[Place(name).topic],
        )
    releases.upload(home)
    open_qa(home)
    open_production(KitPlace(home))
    home.opened.touch()


def give_key(home: Home, place: Place) -> None:
    """Put the API key into its secret, as somebody does by hand after the first deployment."""
    client = organ_client("secretsmanager", home.addresses().aws_url)
    if not client.describe_secret(SecretId=place.secret).get("VersionIdsToStages"):
        client.put_secret_value(SecretId=place.secret, SecretString=secrets.token_urlsafe(24))
