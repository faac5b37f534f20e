"""What makes going back impossible before anything is done: an image that is gone, a port that somebody else holds."""

from __future__ import annotations

from blocks.environment import Environment
from rules.errors import NoWayBack
from rules.stack_rollbacks import Steps
from rules.stack_states import StackState
from rules.start_failures import ports_to_free, told_holders
from tasks.stack_states import images_gone
from tasks.start_facts import port_holders


def refuse_hindered(environment: Environment, live: StackState, wanted: StackState, todo: Steps) -> None:
    """Refuse where the steps cannot end well.

    Raises:
        NoWayBack: an image of what is to be made again is gone, or a port of what is to be started is held.
    """
    images = {each.image: each for each in wanted.containers if each.service in todo.recreate}
    if gone := images_gone(environment, list(images)):
        lost = images[gone[0]]
        known = ", ".join(wanted.digests.get(lost.image, ())) or "no registry has it under a digest"
        raise NoWayBack(
            f"The image of {lost.service} is gone: {lost.tag} ({lost.image[:19]}).",
            hint=f"Pull or load it again on that host ({known}), or name another backup.",
        )
    if held := port_holders(environment, ports_to_free(live, wanted, {*todo.recreate, *todo.start})):
        raise NoWayBack(f"It could not start: {told_holders(held)}.", hint="Free it, then start this again.")
