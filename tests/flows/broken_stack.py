"""A Docker stack that can be broken, with a backup that is proven: what tests of its scenarios share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from blocks.environment import Environment
from rules.outcomes import Ending, Outcome
from sandbox.stack import reading
from sandbox.stack.breaking import STACK_FAULTS
from sandbox.stack.reading import StackReading
from sandbox.stack.stack import DockerStack
from tests.flows.broken_canary import steps

Recover = Callable[..., Outcome]


@dataclass(frozen=True, slots=True)
class BrokenStack:
    """The session's stack, as new when a test begins."""

    stack: DockerStack
    environment: Environment
    before: StackReading
    backup: str
    """The one that is proven."""

    def seen(self) -> StackReading:
        """An independent look; somebody else's stack is never touched, whatever was done."""
        found = reading.read(self.stack)
        assert found.foreign == self.before.foreign
        return found

    def break_it(self, *faults: str) -> StackReading:
        """Break it; how it is then."""
        for fault in faults:
            STACK_FAULTS[fault][1](self.stack)
        found = self.seen()
        assert found != self.before
        return found

    def refused(self, recover: Recover, **asked: str) -> Outcome:
        """Run a scenario that cannot help: it says so, and not one thing is different."""
        broken = self.seen()
        outcome = recover(self.environment, **asked)
        assert outcome.ending is Ending.NOT_RECOVERED, outcome.reason
        assert steps(outcome) == []
        assert self.seen() == broken
        return outcome

    def mended(self, recover: Recover) -> Outcome:
        """Run a scenario that makes all of it as it was."""
        outcome = recover(self.environment)
        assert outcome.ending is Ending.RECOVERED, outcome.reason
        assert self.seen() == self.before
        return outcome

    def recovered(self, recover: Recover) -> Outcome:
        """Run a scenario through its whole story, and give the outcome of the run that recovered.

        A rehearsal changes nothing and tells what the real run does; that one makes all of it as it was; after it
        there is nothing to do.
        """
        broken = self.seen()
        rehearsed = recover(self.environment, rehearse=True)
        assert rehearsed.ending is Ending.REHEARSED, rehearsed.reason
        assert self.seen() == broken
        real = self.mended(recover)
        assert rehearsed.plan
        assert real.plan
        assert rehearsed.plan.digest == real.plan.digest
        again = recover(self.environment)
        assert again.ending is Ending.NOTHING_TO_DO, again.reason
        assert steps(again) == []
        return real
