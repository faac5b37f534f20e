"""What of a Terraform plan's creations exists in AWS already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from blocks.aws_errors import NotThere, translated
from blocks.environment import Environment
from rules.terraform_imports import Import, own_name
from rules.terraform_plans import ResourceChange
from tasks.kinds import in_parallel, probe

Find = Callable[[Environment, str], str]
"""What the resource of that name is imported by; empty: there is none. NotThere says the same."""


@probe
def existing_resources(environment: Environment, creations: Sequence[ResourceChange]) -> tuple[Import, ...]:
    """Of the resources that a plan would create, those that exist: a killed apply made them and lost the state.

    Types that are not known here are left out: Terraform then says itself that they exist.

    Permissions: lambda:GetFunctionConfiguration, lambda:GetAlias, lambda:GetFunctionUrlConfig,
        dynamodb:DescribeTable, s3:ListBucket, secretsmanager:DescribeSecret, sns:GetTopicAttributes,
        sqs:GetQueueUrl, cloudwatch:DescribeAlarms, logs:DescribeLogGroups
    """
    named = [(resource, own_name(resource)) for resource in creations]
    known = [(resource, name) for resource, name in named if name and resource.type in _FIND]
    if not known:
        return ()
    found = in_parallel([partial(_id_of, environment, resource.type, name) for resource, name in known])
    return tuple(
        Import(address=resource.address, id=each)
        for (resource, _), each in zip(known, found, strict=True)
        if each
    )


def _id_of(environment: Environment, kind: str, name: str) -> str:
    try:
        with translated(f"look whether {name} exists"):
            return _FIND[kind](environment, name)
    except NotThere:
        return ""


def _function(environment: Environment, name: str) -> str:
    environment.aws.client("lambda").get_function_configuration(FunctionName=name)
    return name


def _alias(environment: Environment, name: str) -> str:
    function, _, alias = name.partition("/")
    environment.aws.client("lambda").get_alias(FunctionName=function, Name=alias)
    return name


def _url(environment: Environment, name: str) -> str:
    function, _, alias = name.partition("/")
    environment.aws.client("lambda").get_function_url_config(FunctionName=function, Qualifier=alias)
    return name


def _table(environment: Environment, name: str) -> str:
    environment.aws.client("dynamodb").describe_table(TableName=name)
    return name


def _bucket(environment: Environment, name: str) -> str:
    environment.aws.client("s3").head_bucket(Bucket=name)
    return name


def _secret(environment: Environment, name: str) -> str:
    return str(environment.aws.client("secretsmanager").describe_secret(SecretId=name)["ARN"])


def _topic(environment: Environment, name: str) -> str:
    account = environment.aws
    arn = f"arn:aws:sns:{account.region}:{account.account_id}:{name}"
    return str(account.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["TopicArn"])


def _queue(environment: Environment, name: str) -> str:
    return str(environment.aws.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])


def _alarm(environment: Environment, name: str) -> str:
    answer = environment.aws.client("cloudwatch").describe_alarms(
        AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    return name if answer.get("MetricAlarms") or answer.get("CompositeAlarms") else ""


def _log_group(environment: Environment, name: str) -> str:
    answer = environment.aws.client("logs").describe_log_groups(logGroupNamePrefix=name)
    return name if any(group["logGroupName"] == name for group in answer["logGroups"]) else ""


_FIND: dict[str, Find] = {
    "aws_cloudwatch_composite_alarm": _alarm,
    "aws_cloudwatch_log_group": _log_group,
    "aws_cloudwatch_metric_alarm": _alarm,
    "aws_dynamodb_table": _table,
    "aws_lambda_alias": _alias,
    "aws_lambda_function": _function,
    "aws_lambda_function_url": _url,
    "aws_s3_bucket": _bucket,
    "aws_secretsmanager_secret": _secret,
    "aws_sns_topic": _topic,
    "aws_sqs_queue": _queue,
}
