"""Write the pages of docs/ that are made from the code: `make docs`. A test holds them to it.

permissions.md      what each probe and action needs, and the policy for all of them
scenarios/<flow>.md a page for each scenario
coverage.md         each step of the runbooks, and who does it here
../README.md        its table of promises beside what was measured last
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from deployments.handbook import ROOT, Entry, handbook
from deployments.task_needs import TaskNeed, permissions, secret_permissions, task_needs
from docs.promises import with_promises
from docs.runbook_steps import Runbook, read_runbooks
from rules.approvals import Policy
from rules.severity import Tier

DOCS = ROOT / "docs"
_PERMISSIONS = """\
Made by `make docs` from the docstrings in `tasks/`. Each probe and action names what it needs; the policy is
their union. Narrow the resources to your own functions, tables and buckets.
"""
_APPROVALS = f"""
An environment may waive policies up to one of its own (`automatic_up_to`), never for what destroys data. Where it is
`{Policy.TWO_APPROVERS.value}`, the requester is neither.
"""
_TERRAFORM = "Terraform runs as the same role and needs what its own plan changes.\n"


def main() -> int:
    """Write the pages; with `--check` only say which are not up to date."""
    runbooks = read_runbooks()
    pages = {DOCS / "permissions.md": _permissions_page(), DOCS / "coverage.md": _coverage_page(runbooks)}
    readme = ROOT / "README.md"
    pages[readme] = with_promises(readme.read_text(encoding="utf-8"), DOCS / "measured" / "promises.json")
    for entry in handbook():
        pages[DOCS / f"scenarios/{entry.scenario.name}.md"] = _scenario_page(entry, runbooks)
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
    left = [path for path in (DOCS / "scenarios").glob("*.md") if path not in pages]
    if "--check" in sys.argv[1:]:
        for path in (*stale, *left):
            sys.stderr.write(f"not up to date: {path.relative_to(ROOT)}\n")
        return int(bool(stale or left))
    (DOCS / "scenarios").mkdir(exist_ok=True)
    for path in stale:
        path.write_text(pages[path], encoding="utf-8")
    for path in left:
        path.unlink()
    return 0


def _permissions_page() -> str:
    tasks = list(task_needs(ROOT / "tasks"))
    rows = [(f"`{t.name}`", t.kind, _code(t.permissions)) for t in tasks if t.permissions]
    probes, actions = ([task for task in tasks if task.kind == kind] for kind in ("probe", "action"))
    return "\n".join(
        (
            "# Permissions\n",
            _PERMISSIONS,
            *_table(("what", "kind", "needs"), rows),
            "",
            _policy(probes, actions),
        )
    )


def _coverage_page(runbooks: Iterable[Runbook]) -> str:
    lines = [
        "# The runbooks, step by step\n",
        "Made by `make docs` from `docs/runbook_*.yaml`; a test holds it to the code.",
    ]
    for runbook in runbooks:
        lines.append(f"\n## Runbook {runbook.number}")
        for section in runbook.sections:
            rows = [(step.says, step.answer, step.differs) for step in section.steps]
            lines += [f"\n### {section.section}\n", *_table(("the runbook says", "here", "otherwise"), rows)]
    return "\n".join(lines) + "\n"


def _scenario_page(entry: Entry, runbooks: Iterable[Runbook]) -> str:
    scenario, promise = entry.scenario, entry.promise
    by_itself = {True: "yes", False: "no", None: "not said"}[promise.automatic]
    ours = f" (ours: {promise.ours})" if promise.ours else ""
    return "\n".join(
        (
            f"# {scenario.name}\n",
            f"Made by `make docs` from `{scenario.module.replace('.', '/')}.py` and what it reaches.\n",
            f"**When**: {scenario.when}\n",
            f"**What it does**: {scenario.title}\n",
            *_table(
                ("", ""),
                [
                    ("source", scenario.source),
                    ("severity", promise.severity.value),
                    ("rolled back by itself, says the runbook", by_itself),
                    ("budget", f"{scenario.budget}{ours}"),
                ],
            ),
            "\n## What starts it\n",
            *(f"- {trigger}" for trigger in entry.triggers),
            "\n## Steps\n",
            scenario.about,
            "\n## Parameters\n",
            *_parameters(entry),
            "\n## Ways, and what they may change\n",
            "The safest first; the next one only when it fails. Undoing a way takes no other actions than these.\n",
            *_table(
                ("way", "action", "what it does", "needs"),
                [
                    (
                        way.name,
                        f"`{task.name}`",
                        task.about,
                        _code(task.permissions) or task.otherwise,
                    )
                    for way in entry.ways
                    for task in way.actions
                ],
            ),
            "\n## Who must approve\n",
            *_table(
                ("way", "if it is", *(tier.value for tier in Tier)),
                [
                    (way.name, cost.value, *(told[tier] for tier in Tier))
                    for way in entry.ways
                    for cost, told in way.approvals.items()
                ],
            ),
            _APPROVALS,
            "## Permissions\n",
            *([_TERRAFORM] if _runs_terraform(entry) else []),
            _policy(entry.probes, entry.actions),
            *_differences(entry, runbooks),
        )
    )


def _parameters(entry: Entry) -> list[str]:
    rows = [
        (f"`{p.name}`", f"`{p.type}`", "" if p.required else f"`{p.default}`", p.about)
        for p in entry.scenario.parameters
    ]
    if not rows:
        return ["None of its own."]
    return [
        "Beside the environment, `rehearse`, and who asks.\n",
        *_table(("name", "type", "default", ""), rows),
    ]


def _differences(entry: Entry, runbooks: Iterable[Runbook]) -> list[str]:
    ours = [
        step
        for runbook in runbooks
        for step in runbook.steps
        if step.differs and any(by.flow == entry.scenario.name for by in step.by)
    ]
    if not ours:
        return []
    rows = [(step.says, step.differs, f"`{step.test}`") for step in ours]
    return [
        "## What differs from the runbook\n",
        *_table(("the runbook says", "this does", "the test that shows why"), rows),
        "",
    ]


def _runs_terraform(entry: Entry) -> bool:
    return any(task.name.startswith("terraform_runs.") for task in entry.actions)


def _policy(probes: Iterable[TaskNeed], actions: Iterable[TaskNeed]) -> str:
    wanted = {
        "BackstopProbes": permissions(probes),
        "BackstopActions": permissions(actions),
        "BackstopSecrets": secret_permissions(ROOT),
    }
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": name, "Effect": "Allow", "Action": listed, "Resource": "*"}
            for name, listed in wanted.items()
            if listed
        ],
    }
    return f"```json\n{json.dumps(policy, indent=2)}\n```\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    sys.exit(main())
