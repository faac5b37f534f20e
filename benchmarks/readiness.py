"""Each thing that recoveries need, taken away in turn on the practice sandbox: does one look at readiness see it?

A look is right when exactly the preconditions that a fault takes away are not ready, no scenario that needs one of them
is shown as ready, and every other one is. When the fault is mended, all must be ready again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.practice import own_home, practice_sandbox
from benchmarks.preconditions import OF_AWS, Fault, of_a_kit, of_a_stack, of_production, with_people


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw of a fault. `green`: scenarios that need what is broken, and were shown as ready."""

    place: str
    fault: Fault
    red: frozenset[str]
    green: frozenset[str]
    spoiled: frozenset[str]
    """Scenarios that need nothing of what is broken, and were not shown as ready."""
    said: str

    @property
    def right(self) -> bool:
        """Whether it saw just what there was to see."""
        return self.red == self.fault.red and not self.green and not self.spoiled


def measure() -> Iterator[Figure]:
    """Production by Lambda and Terraform, a test kit, a Docker stack."""
    looks = [*_of_the_sandbox(), *_of_the_stack()]
    Console(stderr=True, width=150).print(_table(looks))
    yield Figure.raw("looks, each with one thing broken", len(looks), "")
    unseen = sum(not look.fault.red <= look.red for look in looks)
    yield Figure.exactly("faults that one look did not see", unseen, "", 0)
    yield Figure.exactly("scenarios shown as ready that were not", sum(len(k.green) for k in looks), "", 0)
    yield Figure.exactly("scenarios shown as not ready that were", sum(len(k.spoiled) for k in looks), "", 0)
    more = sum(not look.red <= look.fault.red for look in looks)
    yield Figure.exactly("faults that turned something else red", more, "", 0)


def look_at_each(place: str, faults: list[Fault]) -> Iterator[Look]:
    """Look once at each fault, and once more when it is mended.

    Raises:
        RuntimeError: something is not ready though nothing is broken: the figures would mean nothing.
    """
    for number, fault in enumerate(faults):
        look = _look(place, fault)
        if number:
            yield look
        healthy = _look(place, faults[0])
        if not healthy.right:
            raise RuntimeError(f"{place} is not ready, though «{fault.name}» is mended: {healthy.said}")


def _look(place: str, fault: Fault) -> Look:
    from flows._readiness_looks import look_at
    from rules.readiness import EVERYWHERE, NEEDS, State, judge, scenarios_of, wanted

    with fault.broken() as environment:
        scenarios = scenarios_of(environment.platform.kind, with_repository=environment.github is not None)
        seen = look_at(environment, wanted(scenarios))
    needing = {name for name in scenarios if fault.red & (EVERYWHERE | NEEDS[name].preconditions)}
    ready = {n for n in scenarios if judge(environment.name, n, seen).state is State.READY}
    red = {name: each for name, each in seen.items() if each.state is not State.READY}
    return Look(
        place,
        fault,
        frozenset(red),
        frozenset(needing & ready),
        frozenset(set(scenarios) - needing - ready),
        "; ".join(f"{name}: {each.said}" for name, each in sorted(red.items())),
    )


def _of_the_sandbox() -> Iterator[Look]:
    with practice_sandbox() as box:
        from deployments.environments import load_environment
        from flows.record_release import record_release
        from rules.outcomes import Verdict

        prod, qa = (with_people(load_environment(name, box.home.environments)) for name in ("prod", "qa"))
        for number in (1, 2):
            box.deploy("prod", number)
            box.wait_until_green("prod")
            if record_release.fn(prod, box.release(number)).verdict is not Verdict.PASS:
                raise RuntimeError(f"release {number} is not proven")
        yield from look_at_each("production", of_production(box, prod))
        yield from look_at_each("a test kit", of_a_kit(box, qa))


def _of_the_stack() -> Iterator[Look]:
    from blocks.environment import Environment
    from rules.backups import BackupKind
    from rules.retention import Proof
    from sandbox.stack import engine
    from sandbox.stack.environment import described
    from sandbox.stack.stack import DockerStack
    from tasks.backup_proofs import record_proof
    from tasks.backups import Occasion, take_backup

    with own_home() as folder, ExitStack() as closing:
        found = engine.find_or_start()
        closing.callback(found.stop)
        stack = DockerStack.start(folder / "stack", found.address)
        closing.callback(stack.remove)
        environment = with_people(Environment.model_validate(described(stack)))
        backup = take_backup.fn(environment, Occasion(kind=BackupKind.DEPLOY)).id
        record_proof.fn(environment, backup, Proof.PROVEN)
        an_hour = environment.platform.model_copy(update={"rpo_seconds": 3600.0})
        environment = environment.model_copy(update={"platform": an_hour})
        yield from look_at_each("a Docker stack", of_a_stack(stack, environment, backup))


def _table(looks: list[Look]) -> Table:
    shown = Table(title="One look at readiness, with one thing broken")
    for heading in ("where", "broken", "not ready", "", "said"):
        shown.add_column(heading, overflow="fold")
    for look in looks:
        red = "all that AWS is asked for" if look.red == OF_AWS else ", ".join(sorted(look.red)) or "nothing"
        mark = "[green]✓[/]" if look.right else "[bold red]✗[/]"
        shown.add_row(look.place, look.fault.name, red, mark, look.said[:110])
    return shown
