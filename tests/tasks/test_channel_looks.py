"""A channel is looked at without a message, and its address is never told."""

from __future__ import annotations

import pytest

from tasks.channel_looks import _host, channel_fault
from tests.channels import kept_in, open_channel


def test_one_that_answers_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its host is reached, and nothing is sent; where nobody listens it says so without the address."""
    with open_channel() as channel:
        monkeypatch.setenv("CHANNEL_URL", channel.address)
        assert channel_fault.fn(kept_in("CHANNEL_URL"), None) == ""
        assert channel.told == []
    monkeypatch.setenv("CHANNEL_URL", "json://s3cret-user:s3cret@127.0.0.1:9/")
    fault = channel_fault.fn(kept_in("CHANNEL_URL"), None) or ""

    assert "does not answer" in fault
    assert "s3cret" not in fault


def test_what_cannot_be_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is not there, and one that Apprise does not know, are faults."""
    assert "empty" in (channel_fault.fn(kept_in("NOT_SET"), None) or "")
    monkeypatch.setenv("CHANNEL_URL", "no such thing")
    assert "not hold an address" in (channel_fault.fn(kept_in("CHANNEL_URL"), None) or "")


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("json://there.example/", ("there.example", 80)),
        ("jsons://there.example/", ("there.example", 443)),
        ("mailtos://u:p@fastmail.com", ("smtp.fastmail.com", 465)),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", ("hooks.slack.com", 443)),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", ("api.telegram.org", 443)),
        ("pagerduty://A@B", ("", 0)),
    ],
)
def test_where_a_message_would_go(address: str, host: tuple[str, int]) -> None:
    """A vendor's own host, a mail server, a host in the address; a token is never taken for a host."""
    import apprise

    assert _host(apprise.Apprise.instantiate(address)) == host
