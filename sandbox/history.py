"""What the service's repository holds: three commits, each a release with its own code and infrastructure code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in one file of the repository. `old` must occur exactly once."""

    path: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Make the replacement; ValueError when the text is not there once."""
        file = root / self.path
        text = file.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.path} does not hold {self.old!r} exactly once")
        file.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Chapter:
    """One commit."""

    message: str
    good: bool
    edits: tuple[Edit, ...] = ()


CHAPTERS = (
    Chapter("Collect texts, score them, show the mean", good=True),
    Chapter(
        "Score punctuation-heavy texts better; give the analysis more memory",
        good=True,
        edits=(
            Edit("service/analysis.py", 'word.strip(".,!?")', 'word.strip(".,;:!?\'")'),
            Edit("infrastructure/functions.tf", "memory_size   = 256", "memory_size   = 384"),
        ),
    ),
    Chapter(
        # The classic: a variable renamed in the code and forgotten in the infrastructure. Tests that set both
        # pass, and every call of the deployed dashboard fails.
        "Rename the table's variable; give the functions more memory",
        good=False,
        edits=(
            Edit("service/dashboard.py", 'os.environ["ITEMS_TABLE"]', 'os.environ["SENTIMENT_TABLE"]'),
            Edit("infrastructure/functions.tf", "memory_size   = 384", "memory_size   = 512"),
        ),
    ),
)
