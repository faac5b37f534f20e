"""What a scan of artifacts found, without the secrets themselves."""

from __future__ import annotations

from collections import Counter

from rules.secret_checks import Proof
from rules.secret_spans import PERSONAL
from rules.values import Frozen

BEYOND_A_SCAN = (
    "names, addresses and illnesses of people in free text",
    "secrets without a known shape that no telling name stands beside",
    "pictures, encrypted archives and formats that are compressed in their own way (PDF streams, Parquet)",
    "secrets that are encoded otherwise than in base64, or cut into more than two lines",
)
"""What no scan like this one finds. Every report says so: clean means that nothing known was found."""


class Finding(Frozen):
    """One secret or personal datum: where it stands, what it is, never what it says."""

    file: str
    """Relative to the folder that was scanned."""
    member: str = ""
    """Inside an archive: its path there, with `!` between an archive and what is in it."""
    offset: int
    """Bytes from the start of the file, or of the unpacked member."""
    length: int
    """Bytes."""
    line: int
    kind: str
    proof: Proof
    fingerprint: str
    """The same for the same secret within one scan; it says nothing without the scan's salt."""

    @property
    def is_personal(self) -> bool:
        """Whether it is personal data, not a credential."""
        return self.kind in PERSONAL

    @property
    def place(self) -> str:
        """`spans.jsonl:17`, or `run.zip!spans.jsonl:17`."""
        return f"{self.file}{'!' + self.member if self.member else ''}:{self.line}"


class Unread(Frozen):
    """What was not looked at, or not to its end, and why."""

    file: str
    reason: str


class ScanReport(Frozen):
    """What a scan looked at, what it found and what it could not see."""

    files: int
    size: int
    """Bytes that were looked at, unpacked."""
    findings: tuple[Finding, ...] = ()
    more: int = 0
    """Findings beyond those that are listed."""
    unread: tuple[Unread, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything was looked at."""
        return not self.unread

    @property
    def credentials(self) -> tuple[Finding, ...]:
        """The findings that are credentials."""
        return tuple(each for each in self.findings if not each.is_personal)

    @property
    def personal(self) -> tuple[Finding, ...]:
        """The findings that are personal data."""
        return tuple(each for each in self.findings if each.is_personal)

    def told(self) -> str:
        """One sentence: `3 aws-key-id, 1 email in 12 files (4.2 MB); not read: link (a symbolic link)`."""
        kinds = Counter(each.kind for each in self.findings)
        found = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing"
        more = f" and {self.more} more" if self.more else ""
        told = f"{found}{more} in {self.files} files ({self.size / 1e6:.1f} MB)"
        if self.unread:
            told += "; not read: " + ", ".join(f"{each.file} ({each.reason})" for each in self.unread[:5])
            told += f" and {len(self.unread) - 5} more" if len(self.unread) > 5 else ""
        return told
