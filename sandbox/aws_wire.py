"""Reading which AWS call a request is, and writing errors the way each of AWS's protocols does."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qs
from wsgiref.types import WSGIEnvironment
from xml.sax.saxutils import escape

from sandbox.places import ENVIRONMENTS

_CBOR_PATH = re.compile(r"/operation/(\w+)$")
_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status_line: str
    headers: list[tuple[str, str]]
    body: bytes


def name_of_call(environ: WSGIEnvironment) -> str:
    """`service.Operation`, with boto3's names of both; empty when the request is no AWS call."""
    scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    service = _service(scope.group(1)) if scope else "s3"
    return f"{service}.{_operation(service, environ)}"


def _service(signing_name: str) -> str:
    return {"monitoring": "cloudwatch"}.get(signing_name, signing_name)


def _operation(service: str, environ: WSGIEnvironment) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    path = environ.get("PATH_INFO", "")
    if cbor := _CBOR_PATH.search(path):
        return cbor.group(1)
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body(environ).decode(errors="replace")).get("Action", [""])[0]
    if service == "s3":
        return _s3_operation(environ)
    for method, pattern, name in _rest_operations(service):
        if method == environ["REQUEST_METHOD"] and pattern.fullmatch(path):
            return name
    return ""


def _s3_operation(environ: WSGIEnvironment) -> str:
    has_key = "/" in environ.get("PATH_INFO", "/").strip("/")
    verb = {"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post"}[
        environ["REQUEST_METHOD"]
    ]
    return f"{verb}{'Object' if has_key else 'Bucket'}"


@cache
def _rest_operations(service: str) -> tuple[tuple[str, re.Pattern[str], str], ...]:
    from botocore.exceptions import UnknownServiceError
    from botocore.session import get_session

    try:
        model = get_session().get_service_model(service)
    except UnknownServiceError:
        return ()
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = re.escape(http.get("requestUri", "").partition("?")[0])
        pattern = re.sub(r"\\\{\w+(\\\+)?\\\}", lambda m: ".+" if m.group(1) else "[^/]+", path)
        found.append((http.get("method", "POST"), re.compile(pattern), name))
    return tuple(found)


def body(environ: WSGIEnvironment) -> bytes:
    """The request's body, left in place for whoever reads it next."""
    text = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(text)
    return bytes(text)


def may_change_functions(environ: WSGIEnvironment) -> bool:
    """Say whether the request may change what a Lambda function runs."""
    path = environ.get("PATH_INFO", "")
    return environ["REQUEST_METHOD"] != "GET" and path.startswith("/20") and not path.endswith("/invocations")


def environment_of(environ: WSGIEnvironment) -> str:
    """The environment whose function's name or ARN is in the path; empty: neither is."""
    path = environ.get("PATH_INFO", "")
    return next((name for name in ENVIRONMENTS if f"/{name}-" in path or f":{name}-" in path), "")


def error(environ: WSGIEnvironment, code: str, status: int, message: str) -> Answer:
    """An error as the request's own protocol writes it."""
    if environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
        kind, body = "application/cbor", _cbor_map({"__type": code, "message": message})
        more = [("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-query-error", f"{code};Sender")]
    elif environ.get("HTTP_X_AMZ_TARGET") or environ.get("PATH_INFO", "").startswith("/20"):
        kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()
        more = [("x-amzn-ErrorType", code)]
    else:
        inner = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        query = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
        text = f"<ErrorResponse>{inner}<RequestId>sandbox</RequestId></ErrorResponse>" if query else inner
        kind, body, more = "text/xml", text.encode(), []
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("x-amzn-RequestId", "sandbox"),
        *more,
    ]
    return Answer(f"{status} Injected", headers, body)


def _cbor_map(texts: dict[str, str]) -> bytes:
    """A CBOR map of a few short texts."""
    out = bytes([0xA0 + len(texts)])
    for text in (part for pair in texts.items() for part in pair):
        raw = text.encode()
        out += b"\x79" + len(raw).to_bytes(2, "big") + raw
    return out
