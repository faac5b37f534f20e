"""Confirming a subscription, and hearing of its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from moto.server import ThreadedMotoServer

from tests.webhooks.conftest import Receiver
from tests.webhooks.sns_rig import TOPIC, Signer


@pytest.fixture
def sns_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """SNS's API, from moto, with our topic in it."""
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", "111111111111")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client("sns", region_name="us-east-1", endpoint_url=url)
    arn = client.create_topic(Name=TOPIC.rsplit(":", 1)[1])["TopicArn"]
    client.subscribe(TopicArn=arn, Protocol="https", Endpoint="https://backstop.example/alarms/sns")
    yield url
    server.stop()


def test_confirmed_through_the_api(receive: Callable[..., Receiver], sns: Signer, sns_api: str) -> None:
    """A confirmation for an allowed topic is answered through SNS's API, and that is recorded."""
    receiver = receive(confirm_subscriptions=True, sns_endpoint_url=sns_api)
    answer = receiver.post(sns.subscription())

    assert answer.status_code == 200
    (row,) = receiver.rows()
    assert (row.name, row.state) == ("SubscriptionConfirmation", "ignored")
    assert row.error.startswith("confirmed as ")


def test_not_for_a_strange_topic(receive: Callable[..., Receiver], sns: Signer, sns_api: str) -> None:
    """Nobody can subscribe us to a topic of his own."""
    receiver = receive(confirm_subscriptions=True, sns_endpoint_url=sns_api)

    assert receiver.post(sns.subscription(TopicArn=TOPIC + "x")).status_code == 403
    assert receiver.rows() == []


@pytest.mark.parametrize(
    "url", ["https://evil.example/?Action=ConfirmSubscription", "http://sns.us-east-1.amazonaws.com/", None]
)
def test_not_over_a_strange_address(receiver: Receiver, sns: Signer, url: str | None) -> None:
    """A confirmation whose address is not SNS's is refused, signed or not."""
    changes = {"SubscribeURL": url} if url else {"SubscribeURL": "https://sns.us-east-1.amazonaws.com.x/"}

    assert receiver.post(sns.subscription(**changes)).status_code == 403
    assert receiver.rows() == []


def test_sns_is_asked_to_come_back(receive: Callable[..., Receiver], sns: Signer) -> None:
    """When SNS's API cannot be asked, the confirmation is not taken, so that SNS sends it again."""
    receiver = receive(confirm_subscriptions=True, sns_endpoint_url="http://127.0.0.1:1")
    answer = receiver.post(sns.subscription())

    assert answer.status_code == 503
    assert receiver.rows() == []


def test_the_end_of_a_subscription_is_recorded_only(receiver: Receiver, sns: Signer) -> None:
    """Somebody unsubscribed us: that is written down, and nothing is visited."""
    assert receiver.post(sns.subscription("UnsubscribeConfirmation")).status_code == 200

    (row,) = receiver.rows()
    assert (row.name, row.state) == ("UnsubscribeConfirmation", "ignored")
    assert "unsubscribed" in row.error
