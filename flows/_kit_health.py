"""Whether an environment of test runs is as it should be: its queues are there, and tests publish to theirs."""

from __future__ import annotations

from functools import partial

from blocks.environment import Environment
from rules.kit_settings import judge_queue_setting, judge_target
from rules.outcomes import Verification
from tasks.kinds import in_parallel
from tasks.kit_settings import kit_place, kit_settings
from tasks.queues import queue_state


def kit_health(environment: Environment) -> Verification:
    """Look at the kit's setting, and at each queue; nothing is received."""
    variable = environment.test_kit.variables.queue_url
    states = in_parallel(
        [partial(queue_state, environment, each.url) for each in environment.test_kit.queues]
    )
    setting = judge_queue_setting(
        variable, kit_settings(environment).get(variable, ""), kit_place(environment)
    )
    return Verification.of([setting, *(judge_target(state) for state in states)])
