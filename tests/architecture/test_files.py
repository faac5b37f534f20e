"""Names and contents of the files: nothing shadows a package, nothing is a heap, nothing leaks."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.architecture.source_tree import PRODUCT, ROOT, functions, our_files, python_files, relative, tree

LONGEST, LONGEST_TEST = 300, 450
HEAPS = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "base", "core", "lib"}
# Places of one machine; the lock file and binary pictures hold hashes that may look like anything.
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(?:root|work|home/(?!you/)\w+|Users/\w+)/")
SECRETS = re.compile(
    r"AKIA(?!IOSFODNN7EXAMPLE)[0-9A-Z]{16}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----\n"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}"
    r"|\bxox[abprs]-\d{6,}"
    r"|hooks\.slack\.com/services/T\w+/B\w+/\w+"
    r"|\bsk_live_[A-Za-z0-9]{16,}"
)
TEXT = [path for path in our_files() if path.suffix not in {".png", ".zip", ".lock", ".svg"}]


def test_no_module_shadows_a_package() -> None:
    """No module of ours is called like the standard library or an installed package."""
    taken = set(sys.stdlib_module_names) | set(packages_distributions())
    names = {path.stem: relative(path) for path in python_files(*PRODUCT) if "migrations" not in path.parts}
    names |= dict.fromkeys(PRODUCT, Path())
    names.pop("__init__")
    names.pop("__main__", None)

    assert {str(names[name]) for name in taken & set(names)} == set()


def test_no_module_is_a_heap() -> None:
    """A module is named after what is in it."""
    assert [str(relative(path)) for path in python_files(*PRODUCT, "tests") if path.stem in HEAPS] == []


def test_no_file_is_too_long() -> None:
    """A file can be read in one go."""
    long = {
        str(relative(path)): lines
        for path in python_files(*PRODUCT, "benchmarks", "docs", "tests", ".ci")
        if (lines := len(path.read_text(encoding="utf-8").splitlines()))
        > (LONGEST_TEST if path.name.startswith("test_") else LONGEST)
    }

    assert long == {}


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, SECRETS], ids=["paths of a machine", "secrets"])
def test_nothing_leaks(pattern: re.Pattern[str]) -> None:
    """No file names a place of somebody's machine or holds what looks like a secret."""
    leaks = [
        f"{relative(path)}:{text[: found.start()].count(chr(10)) + 1}: {found[0][:40]!r}"
        for path in TEXT
        if path != Path(__file__)
        for text in [path.read_text(encoding="utf-8")]
        if (found := pattern.search(text))
    ]

    assert leaks == []


def test_every_ignore_says_why() -> None:
    """A lint or type ignore in the code carries its reason on its line."""
    silent = [
        f"{relative(path)}:{number}"
        for path in python_files(*PRODUCT, "benchmarks", "docs", "tests", ".ci")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"# (noqa|type: ignore)", line)
        and not re.search(r"# (noqa: [A-Z0-9, ]+|type: ignore\[[\w, -]+\]) *(#|-|–|—) *[\w']+ \w+", line)
    ]

    assert silent == [], "\n".join(silent)


def test_every_test_makes_a_promise() -> None:
    """Each test's docstring says in a sentence what it promises."""
    speechless = [
        f"{relative(path)}::{function.name}"
        for path in python_files("tests")
        for function in functions(path)
        if function.name.startswith("test_")
        and not (ast.get_docstring(function) or "").rstrip().endswith(".")
    ]

    assert speechless == []


def test_every_module_says_what_it_is() -> None:
    """The first line of each module is a sentence about it."""
    silent = [
        str(relative(path))
        for path in python_files(*PRODUCT, "benchmarks", "docs")
        if path.stem != "__init__" and not ast.get_docstring(tree(path))
    ]

    assert silent == []


def test_the_readme_names_only_targets_that_exist() -> None:
    """Every `make …` in the README and the docs is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
        for name in re.findall(r"(?:`|^|\$ )make ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert named <= targets
