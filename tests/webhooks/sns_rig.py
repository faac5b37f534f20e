"""SNS as our receiver sees it: a signing key, its certificate on a real HTTPS host, and signed messages."""

from __future__ import annotations

import http.server
import ipaddress
import json
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from sandbox.sns import SignatureVersion, sign

TOPIC = "arn:aws:sns:us-east-1:111111111111:prod-sentiment-alarms"


def sns_time(at: datetime | None = None) -> str:
    """A time as SNS writes it."""
    return (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def metric_alarm(
    name: str = "prod-sentiment-errors",
    state: str = "ALARM",
    at: datetime | None = None,
    account: str = "111111111111",
    **changes: Any,
) -> dict[str, Any]:
    """What CloudWatch publishes for a metric alarm."""
    at = at or datetime.now(UTC)
    return {
        "AlarmName": name,
        "AlarmDescription": "errors of the dashboard",
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": "2026-01-01T00:00:00.000+0000",
        "NewStateValue": state,
        "NewStateReason": "Threshold Crossed: 1 datapoint [5.0] was greater than the threshold (0.0).",
        "StateChangeTime": at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "Region": "US East (N. Virginia)",
        "AlarmArn": f"arn:aws:cloudwatch:us-east-1:{account}:alarm:{name}",
        "OldStateValue": "OK",
        "OKActions": [],
        "Trigger": {
            "MetricName": "Errors",
            "Namespace": "AWS/Lambda",
            "Dimensions": [{"value": "prod-sentiment-dashboard", "name": "FunctionName"}],
            "Period": 60,
            "Threshold": 0.0,
        },
    } | changes


class Signer:
    """A key of SNS's kind. `url` is where its certificate lies."""

    def __init__(self, *, days: int = 30, bits: int = 2048) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.example")])
        now = datetime.now(UTC)
        here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName(here), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.url = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-test.pem"

    @classmethod
    def of(cls, private_pem: bytes, url: str) -> Signer:
        """A signer with a key that exists, whose certificate is served already."""
        signer = cls.__new__(cls)
        key = serialization.load_pem_private_key(private_pem, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        signer.key, signer.pem, signer.url = key, b"", url
        return signer

    def private_pem(self) -> bytes:
        """The private key, for the HTTPS host."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, message: dict[str, Any], version: str = "2", url: str = "") -> dict[str, Any]:
        """Sign as SNS does."""
        if version not in ("1", "2"):
            raise ValueError(version)
        chosen: SignatureVersion = "1" if version == "1" else "2"
        return dict(sign(message, self.key, certificate_url=url or self.url, version=chosen))

    def notification(self, told: Any = None, version: str = "2", url: str = "", **changes: Any) -> bytes:
        """A signed notification; `told` is the alarm, or the text itself."""
        text = told if isinstance(told, str) else json.dumps(told or metric_alarm())
        message = {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": TOPIC,
            "Subject": "ALARM: something",
            "Message": text,
            "Timestamp": sns_time(),
        } | changes
        message = {key: value for key, value in message.items() if value is not None}
        return json.dumps(self.sign(message, version, url)).encode()

    def subscription(self, kind: str = "SubscriptionConfirmation", **changes: Any) -> bytes:
        """A signed confirmation of a subscription, or of its end."""
        message = {
            "Type": kind,
            "MessageId": str(uuid.uuid4()),
            "Token": "2336412f37fb687f5d51e6e241d7700ae02f7124d8268910b858cb4db727ceeb",
            "TopicArn": TOPIC,
            "Message": "You have chosen to subscribe to the topic.",
            "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=y",
            "Timestamp": sns_time(),
        } | changes
        return json.dumps(self.sign(message)).encode()


@contextmanager
def certificate_host(folder: Path, *signers: Signer) -> Iterator[tuple[str, Path]]:
    """Serve the signers' certificates at https://localhost:<port>/<n>.pem; yield host:port and CA bundle.

    Sets each signer's `url`.
    """
    certificate, key = folder / "host.pem", folder / "host.key"
    host = Signer()
    certificate.write_bytes(host.pem)
    key.write_bytes(host.private_pem())
    pems = {f"/{number}.pem": signer.pem for number, signer in enumerate(signers)}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pem = pems.get(self.path)
            self.send_response(200 if pem else 404)
            self.end_headers()
            self.wfile.write(pem or b"")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    address = f"localhost:{server.server_address[1]}"
    for number, signer in enumerate(signers):
        signer.url = f"https://{address}/{number}.pem"
    try:
        yield address, certificate
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
