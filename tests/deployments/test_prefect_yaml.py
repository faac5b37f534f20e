"""`prefect.yaml` and the automations: ours are valid, misspelt ones are refused."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from deployments import automations
from deployments.apply import specification
from deployments.flow_modules import flow_modules
from deployments.forms import form
from deployments.prefect_yaml import read_prefect_yaml
from deployments.run_process import load
from rules.errors import RecoveryRefused

FILE = Path(__file__).parents[2] / "prefect.yaml"
GOOD = """
deployments:
  - name: one
    entrypoint: tests.deployments.sample_flows.note
    tags: [backstop]
    parameters: {mark: a}
    schedules:
      - {slug: monthly, cron: "0 3 1 * *", timezone: Europe/London}
"""


def test_every_flow_has_a_deployment() -> None:
    """Each module of flows/ is the entry point of a deployment, and each entry point exists."""
    entries = read_prefect_yaml(FILE).deployments
    modules = {entry.entrypoint.rpartition(".")[0] for entry in entries}

    assert modules == set(flow_modules())
    assert [load(entry.entrypoint).name for entry in entries] == [entry.name for entry in entries]


def test_every_form_reads_well() -> None:
    """Every field of every form has a title that is no identifier, and a described choice of environment."""
    for entry in read_prefect_yaml(FILE).deployments:
        for name, shown in form(load(entry.entrypoint))["properties"].items():
            assert shown["title"], name
            assert "_" not in shown["title"], name
            if name not in {"request", "rehearse"}:
                assert shown.get("description"), f"{entry.name}: {name}"


def test_every_deployment_is_described() -> None:
    """What people read above the form comes from the flow's docstring."""
    for entry in read_prefect_yaml(FILE).deployments:
        _, spec = specification(entry, FILE)
        assert len(spec["description"]) > 40


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("    tags:", "    tgas:", "unknown key `deployments.0.tgas`.*Did you mean `tags`"),
        ("cron:", "crom:", "unknown key `deployments.0.schedules.0.crom`.*Did you mean `cron`"),
        ("name: one", "name: one\n    concurency_limit: 1", "unknown key `deployments.0.concurency_limit`"),
        ('cron: "0 3 1 * *"', 'cron: "0 3 1 * *", interval: 3', "exactly one of `cron`"),
        ('cron: "0 3 1 * *"', 'cron: "0 3 1 * *", anchor_date: "2026-01-01T00:00:00Z"', "only an `interval`"),
        (
            "    parameters: {mark: a}",
            "    schedule_each: [{slug: a, interval: 60, jitter: 60}]",
            "shorter than",
        ),
        (
            "    parameters: {mark: a}",
            "    schedule_each: [{slug: a, cron: 50 3 * * *, jitter: 900}]",
            "its hour",
        ),
        ("[backstop]", "[mine]", "needs the tag `backstop`"),
        ("sample_flows.note", "sample_flows:note", "entrypoint"),
        ("name: one", "name: one\n    name: two", "given twice"),
        ("mark: a", "mark: a, api_key: abcdefgh12345678", "holds a secret at `deployments.0"),
    ],
)
def test_a_misspelt_file_is_refused(tmp_path: Path, written: str, instead: str, said: str) -> None:
    """Prefect would accept each of these silently; we name the place and the nearest right word."""
    file = tmp_path / "prefect.yaml"
    assert written in GOOD
    file.write_text(GOOD.replace(written, instead, 1))

    with pytest.raises(RecoveryRefused, match=said) as refusal:
        read_prefect_yaml(file)

    assert refusal.value.hint


def test_a_parameter_the_flow_does_not_have_is_refused(tmp_path: Path) -> None:
    """A misspelt parameter is found when applying, not at 3 a.m."""
    file = tmp_path / "prefect.yaml"
    file.write_text(GOOD.replace("mark: a", "makr: a"))

    with pytest.raises(RecoveryRefused, match=r"unknown parameter `makr`.*mark"):
        specification(read_prefect_yaml(file).deployments[0], file)


def test_the_work_pool_comes_from_the_environment_or_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without BACKSTOP_WORK_POOL the responder serves the deployments; with it, and only then, workers do."""
    file = tmp_path / "prefect.yaml"
    file.write_text(GOOD + '    work_pool: {name: "{{ $BACKSTOP_WORK_POOL }}"}\n')
    entry = read_prefect_yaml(file).deployments[0]

    monkeypatch.delenv("BACKSTOP_WORK_POOL", raising=False)
    _, served = specification(entry, file)
    monkeypatch.setenv("BACKSTOP_WORK_POOL", "many")
    _, pooled = specification(entry, file)

    assert (served["work_pool_name"], "responder" in served["tags"]) == (None, True)
    assert (pooled["work_pool_name"], "responder" in pooled["tags"]) == ("many", False)


def test_our_automations_are_understood_whole() -> None:
    """Every key of automations.yaml means something to Prefect."""
    assert automations.read_automations(Mock())


def test_a_misspelt_automation_is_refused(tmp_path: Path) -> None:
    """A key that Prefect would drop is named."""
    file = tmp_path / "automations.yaml"
    file.write_text(automations.FILE.read_text().replace("threshold:", "treshold:"))

    with pytest.raises(RecoveryRefused, match=r"unknown key `automations.0.trigger.treshold`.*`threshold`"):
        automations.read_automations(Mock(), file)
