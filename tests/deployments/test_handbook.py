"""What is told of a scenario is read from its code, and is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments.handbook import Entry, handbook
from deployments.ladders import ladder
from deployments.source_graph import SourceGraph
from rules.severity import Destructiveness, Tier

ENTRIES = {entry.scenario.name: entry for entry in handbook()}

SHARED = """
from flows._ladder import Rung
from tasks.switches import burn, turn

def rungs(environment, *, gentle: bool = False):
    back = lambda plan, before: [turn]
    return [Rung(name="first", decide=lambda _: _plan(), act=turn if gentle else burn, verify=look, undo=back)]

def _plan():
    return Plan(destructiveness=Destructiveness.DESTRUCTIVE if wide else Destructiveness.REVERSIBLE)
"""
FLOW = """
from flows._incident import handle
from flows._ladder import Rung
from flows._shared import rungs

def recover(environment):
    return handle("x", environment, detect=..., ladder=[*rungs(environment{}), Rung(name="last", act=act)])

def act():
    from tasks import switches
    switches.shout()
"""
TASKS = """
@action(subject="x")
def turn(): ...
@action
def burn(): ...
@action
def shout(): ...
"""


def made(root: Path, flags: str) -> SourceGraph:
    """A scenario whose ladder is partly made elsewhere."""
    for folder in ("flows", "tasks"):
        (root / folder).mkdir()
    (root / "flows/_shared.py").write_text(SHARED)
    (root / "flows/lost.py").write_text(FLOW.replace("{}", flags))
    (root / "tasks/switches.py").write_text(TASKS)
    return SourceGraph(root)


WRAPPED = """
from flows._incident import handle
from flows._ladder import Rung
from flows._telling import telling

def recover(environment):
    return handle("x", environment, detect=..., ladder=[telling(rung) for rung in [Rung(name="only", act=act)]])

def act():
    from tasks.switches import turn
    turn()
"""
TELLING = """
from tasks.switches import shout

def telling(rung):
    return replace(rung, act=lambda plan: (rung.act(plan), shout()))
"""


def test_a_wrapped_rung_also_does_what_its_wrapping_does(tmp_path: Path) -> None:
    """Its own actions, and those that are put round each rung of the ladder."""
    graph = made(tmp_path, "")
    (tmp_path / "flows/wrapped.py").write_text(WRAPPED)
    (tmp_path / "flows/_telling.py").write_text(TELLING)
    module, recover = graph.module("flows.wrapped"), graph.definition("flows.wrapped.recover")
    assert module
    assert recover

    [rung] = ladder(graph, module, recover)

    assert rung.name == "only"
    assert {name.rpartition(".")[2] for name in rung.acts if name.startswith("tasks.")} == {"turn", "shout"}


@pytest.mark.parametrize(
    ("flags", "first"),
    [("", {"burn", "turn"}), (", gentle=True", {"turn"}), (", gentle=False", {"burn", "turn"})],
)
def test_a_rung_reaches_what_its_text_names(tmp_path: Path, flags: str, first: set[str]) -> None:
    """Through local names, lambdas, late imports and flags at the call; what is not taken is not told."""
    graph = made(tmp_path, flags)
    module, recover = graph.module("flows.lost"), graph.definition("flows.lost.recover")
    assert module
    assert recover

    rungs = ladder(graph, module, recover)

    assert [rung.name for rung in rungs] == ["first", "last"]
    reached = [{name.rpartition(".")[2] for name in rung.acts if name.startswith("tasks.")} for rung in rungs]
    assert reached == [first, {"shout"}]
    assert rungs[0].costs == (Destructiveness.REVERSIBLE, Destructiveness.DESTRUCTIVE)
    assert rungs[1].costs == (Destructiveness.REVERSIBLE,)


def test_only_who_freezes_says_so() -> None:
    """The canary's ladder and the failed deployment's share their code; only the latter locks others out."""

    def changes(entry: Entry) -> set[str]:
        return {task.name for task in entry.actions}

    canary, deploy = ENTRIES["canary-failure"], ENTRIES["production-deploy-failure"]

    assert changes(deploy) - changes(canary) == {"terraform_locks.freeze_state", "terraform_locks.thaw_state"}
    assert "lambda:UpdateFunctionCode" in canary.as_json()["permissions"]
    assert "dynamodb:PutItem" in canary.as_json()["permissions"]  # a plan takes the lock too


def test_the_approval_is_that_of_the_rules() -> None:
    """A critical finding may be repaired reversibly in production without asking, a disruption not."""
    first = ENTRIES["canary-failure"].ways[0]

    assert first.approvals[Destructiveness.REVERSIBLE][Tier.PRODUCTION] == "automatic"
    assert first.approvals[Destructiveness.DISRUPTIVE][Tier.PRODUCTION] == "one approver"


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_every_scenario_is_told_whole(entry: Entry) -> None:
    """When, what, from which runbook, by which ways, what they change, and each parameter, for every scenario."""
    found = entry.scenario

    assert all((found.when, found.title, found.source, found.about))
    assert all(parameter.about for parameter in found.parameters)
    assert entry.ways
    assert all(way.actions and way.approvals and way.name != "unnamed" for way in entry.ways)
    assert "identities.who_am_i" in {task.name for task in entry.probes}


def test_what_starts_it_is_the_routes(tmp_path: Path) -> None:
    """Triggers are those of the routes file that is given; without one there are the form and the command."""
    routes = tmp_path / "routes.yaml"
    routes.write_text(
        "topics: []\nenvironments: {prod: {account: '111111111111', region: us-east-1}}\n"
        "routes: [{alarm: mine-*, scenario: canary-failure, environment: prod}]\n"
    )

    with_route, without = (
        next(entry for entry in handbook(path) if entry.scenario.name == "canary-failure")
        for path in (routes, tmp_path / "none.yaml")
    )

    assert with_route.triggers[0] == "alarm mine-* of SNS in prod"
    assert without.triggers == ("form in the Prefect UI", "backstop recover")
