"""Telling people that an alarm could not be turned into a flow run: then there is no incident that would."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from blocks.secret_reference import SecretReference
from rules.errors import BackstopError
from rules.redaction import redact

log = logging.getLogger("backstop.webhooks")


class Pager:
    """Sends to every Apprise URL; what cannot be sent is at least in the log. One page for each subject."""

    def __init__(self, channels: Sequence[SecretReference]) -> None:
        self._channels = channels
        self._told: set[str] = set()

    async def page(self, subject: str, title: str, text: str) -> None:
        """Page once for `subject`. Never raises: paging must not stop the dispatcher."""
        if subject in self._told:
            return
        self._told.add(subject)
        log.error("%s %s", title, redact(text))
        if not self._channels:
            log.error("nobody was paged: there are no `pages` in the routes file")
            return
        for channel in self._channels:
            try:
                sent = await asyncio.to_thread(_send, channel, title, redact(text))
            except Exception as error:  # noqa: BLE001 - paging must not stop the dispatcher
                sent = False
                why = error if isinstance(error, BackstopError) else type(error)  # others may quote the URL
                log.warning("paging over %s: %s", channel, why)
            if not sent:
                log.error("the page over %s was not taken", channel)


def _send(channel: SecretReference, title: str, text: str) -> bool:
    import apprise  # only needed when something went wrong

    sender = apprise.Apprise()
    sender.add(channel.read().get_secret_value())
    return bool(sender.notify(body=text, title=title))
