"""The layers of the house hold, and the check that says so would notice if they did not."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source_tree import PRODUCT, ROOT, imports, python_files, relative, scenario_files

LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the import contracts of a source tree."""
    return subprocess.run(
        [str(LINT_IMPORTS), "--no-cache", "--no-logo"], cwd=root, capture_output=True, text=True, check=False
    )


def test_every_contract_holds() -> None:
    """No module imports what its layer may not know."""
    done = lint_imports(ROOT)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("rules/broken.py", "import os", "Rules decide"),
        ("rules/broken.py", "import ledger.timeline", "Every layer"),
        ("flows/broken.py", "import boto3", "Flows tell the story"),
        ("tasks/broken.py", "import flows", "Every layer"),
    ],
)
def test_a_broken_contract_is_noticed(tmp_path: Path, file: str, line: str, contract: str) -> None:
    """One forbidden import, planted in a copy of the tree, breaks the contract that forbids it."""
    for package in PRODUCT:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / file).write_text(line + "\n")

    done = lint_imports(tmp_path)

    broken = [row for row in done.stdout.splitlines() if row.endswith("BROKEN")]
    assert done.returncode != 0
    assert any(row.startswith(contract) for row in broken), done.stdout


def test_every_package_has_a_layer() -> None:
    """A new top-level package cannot stay outside the contracts, the types or the wheel."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "docs"}
    layers = next(c["layers"] for c in config["importlinter"]["contracts"] if c["id"] == "layers")

    assert found == set(PRODUCT)
    assert {name.strip() for layer in layers for name in layer.replace(":", "|").split("|")} == found
    assert set(config["importlinter"]["root_packages"]) == found
    assert set(config["hatch"]["build"]["targets"]["wheel"]["packages"]) == found
    assert found <= set(config["mypy"]["files"])


def test_no_scenario_imports_another() -> None:
    """Scenarios meet in the shared files only, and those know no scenario."""
    scenarios = {f"flows.{path.stem}" for path in scenario_files() if path.stem != "__init__"}
    met = [
        (str(relative(path)), name)
        for path in python_files("flows")
        for name in imports(path)
        if name in scenarios and name != f"flows.{path.stem}"
    ]

    assert met == []
