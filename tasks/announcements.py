"""Telling people something that is no incident, through the channels of an environment."""

from __future__ import annotations

import queue
import threading
import time

from blocks.environment import Environment
from rules.escalation import Message
from tasks.kinds import say
from tasks.notices import LIMIT_SECONDS, LOADING_SECONDS, Mood, Notice, tell_channel


def announce(environment: Environment, reference: str, message: Message, mood: Mood = Mood.WARNING) -> int:
    """Tell everybody who hears of incidents, at the same time; how many channels took it.

    A channel that fails or is silent stops nothing. `reference` is the same for each repetition.
    """
    path = environment.escalation
    channels = [*path.notices, *(path.levels[0].channels if path.levels else [])]
    notice = Notice(reference, "announcement", message, mood)
    answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for channel in channels:
        threading.Thread(
            target=tell_channel, args=(channel, environment.account, notice, answers), daemon=True
        ).start()
    deadline, told = time.monotonic() + LIMIT_SECONDS + LOADING_SECONDS, 0
    for _ in channels:
        try:
            channel_name, error = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            say(f"{message.title}: not every channel answered.")
            break
        told += not error
        if error:
            say(f"{message.title}: {channel_name} {error}")
    return told
