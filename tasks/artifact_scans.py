"""Artifacts of a run: which secrets and personal data are in them, and writing them again without.

Files are read as bytes, block by block; zip, gzip, bzip2 and xz are opened, archives in archives too, within bounds
against decompression bombs. Links are said and not followed. No finding holds the secret.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from rules.errors import StepFailed
from rules.findings import ScanReport
from rules.outcomes import Effect
from tasks._redacted_files import redact_file
from tasks._scan_files import scan_folder
from tasks.kinds import action, in_parallel, probe


@probe
def scan_artifacts(folder: str, salt: str = "") -> ScanReport:
    """What is in a folder of artifacts (or one file) that should not be: where, of what kind, how sure.

    The same secret has the same fingerprint in every scan with the same `salt`; without one, in this scan only.

    Permissions: none, it reads files

    Raises:
        RecoveryRefused: there is no such folder, or it is a link.
    """
    return scan_folder(Path(folder), salt.encode())


@action(subject="{folder}")
def redact_artifacts(folder: str) -> Effect:
    """Write every file with findings again without them, in its place. Repeating it changes nothing.

    Each new file is written beside the old one, read again, and then takes its place; one that cannot be redacted
    stays as it is, and the action fails after the others.

    Permissions: none, it writes files
    """
    root = Path(folder)
    report = scan_folder(root)
    names = sorted({finding.file for finding in report.findings})
    whole = root if root.is_dir() else root.parent
    failed: list[str] = []

    def redact(name: str) -> int:
        try:
            return redact_file(whole / name)
        except StepFailed as error:
            failed.append(error.message)
            return 0

    taken = sum(in_parallel([partial(redact, name) for name in names])) if names else 0
    if failed:
        raise StepFailed(
            " ".join(failed), hint="The other files were redacted. Delete these, or redact them by hand."
        )
    told = f"{taken} secrets in {len(names)} files" if names else "nothing to take out"
    return Effect(subject=folder, changed=bool(taken), after="redacted", detail=told)


@action(subject="{to}")
def redacted_copy(folder: str, to: str) -> Effect:
    """Copy what can be read of a folder to another, without its secrets. Repeating it changes nothing.

    What cannot be read to its end (a link, a broken archive) is left out and named.

    Permissions: none, it writes files
    """
    root, target = Path(folder), Path(to)
    report = scan_folder(root)
    skipped = {each.file.partition("!")[0] for each in report.unread}
    copied = 0
    for where, _, names in os.walk(root):
        for name in names:
            path = Path(where) / name
            told = str(path.relative_to(root))
            if told in skipped or path.is_symlink():
                continue
            place = target / told
            place.parent.mkdir(parents=True, exist_ok=True)
            redact_file(path, to=place)
            copied += 1
    left = f"; left out: {', '.join(sorted(skipped))}" if skipped else ""
    return Effect(subject=to, changed=bool(copied), after="redacted copy", detail=f"{copied} files{left}")
