"""Where moto's Lambda differs from AWS in ways that matter to a rollback, put right."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import unquote

from sandbox.addresses import Addresses
from sandbox.places import ACCOUNT

CODE_PATH = "/sandbox-code/"

_MISSING = (
    "Error occurred while GetObject. S3 Error Code: NoSuchKey. "
    "S3 Error Message: The specified key does not exist."
)


def install(addresses: Addresses) -> None:
    """Correct moto in this process. AWS refuses a missing package, and really runs what it is given."""
    from moto.awslambda import models

    _refuse_missing_packages(models)
    _keep_versions_of_unchanged_code(models)
    _point_urls_at_the_host(models, addresses)
    _tell_where_code_is(models, addresses)
    _run_functions_in_the_host(models, addresses)


def _refuse_missing_packages(models: Any) -> None:
    from moto.awslambda.exceptions import InvalidParameterValueException
    from moto.s3.models import s3_backends

    before = models.LambdaFunction._set_function_code  # noqa: SLF001 - moto offers no hook

    def set_function_code(self: Any, updated_spec: dict[str, Any]) -> None:
        if "S3Key" in updated_spec and "ZipFile" not in updated_spec:
            bucket = s3_backends[self.account_id][self.partition].buckets.get(updated_spec["S3Bucket"])
            if bucket is None or updated_spec["S3Key"] not in bucket.keys:
                raise InvalidParameterValueException(_MISSING)
        before(self, updated_spec)

    models.LambdaFunction._set_function_code = set_function_code  # noqa: SLF001 - no hook either


def _keep_versions_of_unchanged_code(models: Any) -> None:
    """Publishing what is published already makes no new version."""
    before = models.LambdaFunction.update_function_code

    def update_function_code(self: Any, updated_spec: dict[str, Any]) -> Any:
        sha, pending = self.code_sha_256, self.code_or_config_updated
        answer = before(self, updated_spec)
        self.code_or_config_updated = pending or self.code_sha_256 != sha
        return answer

    models.LambdaFunction.update_function_code = update_function_code


def _point_urls_at_the_host(models: Any, addresses: Addresses) -> None:
    """A URL belongs to a function or to one alias of it, and leads to the function host."""
    from moto.awslambda.exceptions import GenericResourcNotFound
    from moto.awslambda.responses import LambdaResponse

    answers: Any = LambdaResponse
    before, told = models.FunctionUrlConfig.__init__, models.FunctionUrlConfig.to_dict
    create, get = answers.create_function_url_config, answers.get_function_url_config

    def init(self: Any, function: Any, config: dict[str, Any]) -> None:
        before(self, function, config)
        self.qualifier = ""
        if function.function_name in addresses.urls:
            self.url = addresses.function_url(function.function_name)

    def to_dict(self: Any) -> dict[str, Any]:
        arn = (
            f"{self.function.function_arn}:{self.qualifier}" if self.qualifier else self.function.function_arn
        )
        return {**told(self), "FunctionArn": arn}

    def config_of(self: Any) -> Any:
        return self.backend.get_function_url_config(unquote(self.path.split("/")[-2]))

    def create_function_url_config(self: Any) -> Any:
        create(self)
        config = config_of(self)
        config.qualifier = self._get_param("Qualifier") or ""
        return 201, {"status": 201}, json.dumps(config.to_dict())

    def get_function_url_config(self: Any) -> Any:
        if config_of(self).qualifier != (self._get_param("Qualifier") or ""):
            raise GenericResourcNotFound
        return get(self)

    models.FunctionUrlConfig.__init__ = init
    models.FunctionUrlConfig.to_dict = to_dict
    answers.create_function_url_config = create_function_url_config
    answers.get_function_url_config = get_function_url_config


def _tell_where_code_is(models: Any, addresses: Addresses) -> None:
    """AWS hands out a link to the code it holds, which is not what the bucket holds by now."""
    before = models.LambdaFunction.get_code

    def get_code(self: Any) -> dict[str, Any]:
        answer: dict[str, Any] = before(self)
        where = f"{CODE_PATH}{self.region}/{self.function_name}/{self.version}"
        answer["Code"]["Location"] = f"{addresses.aws_url}{where}"
        return answer

    models.LambdaFunction.get_code = get_code


def code_at(path: str) -> bytes | None:
    """The package behind such a link; None when there is none."""
    from moto.awslambda.models import lambda_backends

    region, function, version = path.removeprefix(CODE_PATH).split("/")
    try:
        found = lambda_backends[ACCOUNT][region].get_function(function, version)
    except Exception:  # noqa: BLE001 - whatever moto says: there is none
        return None
    return bytes(found.code_bytes)


def _run_functions_in_the_host(models: Any, addresses: Addresses) -> None:
    from moto.core.exceptions import JsonRESTError

    class Throttled(JsonRESTError):
        code = 429

    def invoke(
        self: Any, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> bytes:
        function = self.get_function(function_name, qualifier)
        url = f"http://127.0.0.1:{addresses.invocations}/{function.function_name}?qualifier={qualifier or '$LATEST'}"
        request = urllib.request.Request(
            url, data=body if isinstance(body, bytes) else str(body or "{}").encode()
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - this machine
                told = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 429:
                    raise Throttled("TooManyRequestsException", "Rate Exceeded.") from None
                raise
        if told["error"]:
            response_headers["x-amz-function-error"] = "Unhandled"
        return json.dumps(told["answer"]).encode()

    models.LambdaBackend.invoke = invoke
