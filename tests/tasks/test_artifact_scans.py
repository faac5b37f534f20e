"""Artifacts are scanned whole, within bounds, and written again without what was found."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import json
import lzma
import os
import stat
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.cases import Case
from rules.errors import RecoveryRefused, StepFailed
from rules.secret_spans import find_spans
from tasks import _scan_containers, _scan_stream
from tasks._redacted_files import SUFFIX
from tasks._scan_engine import Hits, with_hyperscan, with_re
from tasks._scan_files import scan_folder
from tasks._scan_stream import scan_stream
from tasks.artifact_scans import redact_artifacts, redacted_copy, scan_artifacts

# Built from halves, so that no scanner takes this file for a leak.
KEY_ID = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"
CARD = "4111" + "1111" + "11111111"

ENGINES = [pytest.param(with_hyperscan, id="hyperscan"), pytest.param(with_re, id="re")]


def planted(folder: Path) -> dict[str, str]:
    """Artifacts of every form, each with what is in it."""
    folder.mkdir()
    spans = [json.dumps({"id": n, "text": "é", "card": int(CARD) if n == 7 else 1}) for n in range(20)]
    (folder / "spans.jsonl").write_text("\n".join(spans) + "\n")
    (folder / "report.md").write_text(
        f"# Run\n\n| password | hunter2 |\n\nused {KEY_ID[:10]}\n{KEY_ID[10:]}\n"
    )
    (folder / "trace.html").write_text(
        "<td>password</td><td>hunter3</td>\n&quot;api_key&quot;: &quot;k-1234&quot;"
    )
    (folder / "core.bin").write_bytes(b"\x7fELF\0\1\2" + KEY_ID.encode() + b"\0\xff\xfe" * 50)
    (folder / "run.log.gz").write_bytes(gzip.compress(f"line\nline {GITHUB}\n".encode()))
    (folder / "run.log.bz2").write_bytes(bz2.compress(f"line {GITHUB}\n".encode()))
    (folder / "run.log.xz").write_bytes(lzma.compress(f"line {GITHUB}\n".encode()))
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/notes.txt", "patient_name=Jo Doe\n")
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clean.txt", "nothing here\n")
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("log.gz", gzip.compress(b"token: abc123def456\n"))
    (folder / "clean.jsonl").write_text('{"ok": true}\n' * 50)
    return {
        "all.zip!inner.zip!deep/notes.txt:1": "name",
        "all.zip!log.gz!log:1": "token",
        "core.bin:1": "aws-key-id",
        "report.md:3": "password",
        "report.md:5": "aws-key-id",
        "run.log.bz2!run.log:1": "github-token",
        "run.log.gz!run.log:2": "github-token",
        "run.log.xz!run.log:1": "github-token",
        "spans.jsonl:8": "card",
        "trace.html:1": "password",
        "trace.html:2": "api-key",
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_every_form_is_read(tmp_path: Path, engine: Callable[[], Hits]) -> None:
    """JSON lines, Markdown, HTML, a binary file and archives in archives: each finding has its place and kind."""
    wanted = planted(tmp_path / "run")

    report = scan_folder(tmp_path / "run", hits=engine())

    assert {each.place: each.kind for each in report.findings} == wanted
    assert report.is_complete


def test_the_place_is_exact(tmp_path: Path) -> None:
    """Offset and length cut the secret out of the file, byte for byte, also behind characters of several bytes."""
    planted(tmp_path / "run")
    content = (tmp_path / "run/spans.jsonl").read_bytes()

    (found,) = scan_folder(tmp_path / "run/spans.jsonl").findings

    assert content[found.offset : found.offset + found.length] == CARD.encode()
    assert content[: found.offset].count(b"\n") == found.line - 1 == 7


def test_a_report_never_holds_a_secret(tmp_path: Path) -> None:
    """Nothing that is told of a finding lets the secret be read, or guessed from a plain hash."""
    planted(tmp_path / "run")

    told = scan_artifacts.fn(str(tmp_path / "run")).model_dump_json()

    assert not any(
        secret in told for secret in (KEY_ID, GITHUB, CARD, "hunter2", "hunter3", "k-1234", "Jo Doe")
    )
    again = scan_artifacts.fn(str(tmp_path / "run")).model_dump_json()
    assert told != again  # the fingerprints are salted anew


def test_the_same_secret_has_the_same_fingerprint(tmp_path: Path) -> None:
    """In one scan, and in every scan with the same salt, a secret is recognised wherever it stands."""
    (tmp_path / "a.txt").write_text(f"{KEY_ID} and {GITHUB}")
    (tmp_path / "b.txt").write_text(f"x {KEY_ID}")

    first, second = (scan_artifacts.fn(str(tmp_path), "salt").findings for _ in range(2))

    assert first == second
    assert first[0].fingerprint == first[2].fingerprint != first[1].fingerprint


PIECES = st.sampled_from(
    [
        *(
            KEY_ID,
            KEY_ID[:9],
            KEY_ID[9:],
            GITHUB,
            CARD,
            "GB33BUKB20201555555555",
            "123-45-6789",
            "(415) 555-2671",
        ),
        *(
            "password",
            "token",
            "patient_name",
            "dob",
            "jane@example.com",
            "+49 30 901820",
            "Zx9" * 13 + "Q",
            "sk-",
        ),
        *(
            "=",
            ": ",
            '"',
            "'",
            "\\",
            "\n",
            "\n  ",
            " | ",
            "<td>",
            "</td>",
            "&quot;",
            ".",
            "--",
            "null",
            "\0",
            "é",
        ),
        *("QUtJQUlPU0ZPRE5ON0VYQU1QTEU=", "eyJhbGciOiJIUzI1NiJ9", "https://u:", "@h", "a" * 40),
        *("-----BEGIN PRIVATE " + "KEY-----", "-----END PRIVATE KEY-----"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=25).map("".join)


@given(TEXTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_engines_agree(text: str) -> None:
    """The fast engine and the plain one lead to the same findings, whatever the text."""
    content = text.encode("utf-8", "surrogatepass")

    assert list(scan_stream(io.BytesIO(content), with_hyperscan())) == list(
        scan_stream(io.BytesIO(content), with_re())
    )


@given(TEXTS.map(lambda text: text.replace("\n", " ").replace("\r", " ")))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_anchor_is_missing(text: str) -> None:
    """Wherever the exact look would find something in a line, an anchor leads there."""
    content = text.encode("utf-8", "surrogatepass")
    wanted = {(span.kind, span.start) for span in find_spans(content.decode("utf-8", "surrogateescape"))}

    found = list(scan_stream(io.BytesIO(content), with_hyperscan()))

    assert bool(found) == bool(wanted)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("line_end", [b"\n", b" "], ids=["lines", "one long line"])
def test_no_border_hides_a_secret(
    monkeypatch: pytest.MonkeyPatch, engine: Callable[[], Hits], line_end: bytes
) -> None:
    """Whatever lies across a border of blocks or segments is found once, at its place."""
    monkeypatch.setattr(_scan_stream, "BLOCK", 5000)
    monkeypatch.setattr(_scan_stream, "LONG_LINE", 700)
    monkeypatch.setattr(_scan_stream, "AHEAD", 700)
    monkeypatch.setattr(_scan_stream, "CONTEXT", 2100)
    filler = (b"0123456789 abcdefg " * 17) + line_end
    content = b"".join(filler[n % 19 :] + KEY_ID.encode() + line_end for n in range(200))
    wanted = [at for at in range(len(content)) if content.startswith(KEY_ID.encode(), at)]

    found = list(scan_stream(io.BytesIO(content), engine()))

    assert [each.offset for each in found] == wanted
    assert [each.line for each in found] == [content[:at].count(b"\n") + 1 for at in wanted]


def test_links_and_pipes_are_said_and_left_alone(tmp_path: Path) -> None:
    """What leads elsewhere is not followed, a pipe does not hold us up, and the report is not complete."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(KEY_ID)
    run = tmp_path / "run"
    run.mkdir()
    (run / "file").symlink_to(outside / "secret.txt")
    (run / "folder").symlink_to(outside)
    os.mkfifo(run / "pipe")

    report = scan_artifacts.fn(str(run))

    assert report.findings == ()
    assert {each.file for each in report.unread} == {"file", "folder", "pipe"}
    assert not report.is_complete
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(RecoveryRefused):
        scan_artifacts.fn(str(tmp_path / "link"))


def test_a_bomb_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that unpacks to more than is allowed is left at the bound, and said; the next file is read."""
    monkeypatch.setattr(_scan_containers, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(_scan_containers, "MOST_RATIO", 2)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(gzip.compress(b"\0" * (20 << 20))))
    (tmp_path / "next.txt").write_text(KEY_ID)

    report = scan_artifacts.fn(str(tmp_path))

    assert [each.file for each in report.findings] == ["next.txt"]
    assert [each.file for each in report.unread] == ["bomb.gz"]
    assert report.size < 2 << 20


def test_archives_in_archives_end(tmp_path: Path) -> None:
    """Beyond the depth that is allowed, it is said."""
    content = KEY_ID.encode()
    for _ in range(_scan_containers.DEEPEST + 1):
        content = gzip.compress(content)
    (tmp_path / "deep.gz").write_bytes(content)

    report = scan_artifacts.fn(str(tmp_path))

    assert report.findings == ()
    assert "inside each other" in report.unread[0].reason


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A cut archive, a cut member and UTF-16 are named; what was found before the cut counts."""
    whole = gzip.compress((f"{KEY_ID}\n" + "".join(f"{n * n}\n" for n in range(400_000))).encode())
    (tmp_path / "cut.gz").write_bytes(whole[: len(whole) - 500])
    (tmp_path / "wide.txt").write_bytes(KEY_ID.encode("utf-16"))
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04 no zip at all")

    report = scan_artifacts.fn(str(tmp_path))

    assert {each.file.partition("!")[0] for each in report.unread} == {"cut.gz", "wide.txt", "no.zip"}
    assert [each.place for each in report.findings] == ["cut.gz!cut:1"]


def test_memory_does_not_grow(tmp_path: Path) -> None:
    """A file of 64 MB without a single line end, holes included, takes a few blocks of memory."""
    with (tmp_path / "sparse.jsonl").open("wb") as file:
        file.truncate(64 << 20)
        file.seek(40 << 20)
        file.write(KEY_ID.encode())
    tracemalloc.start()

    report = scan_artifacts.fn(str(tmp_path))

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [each.offset for each in report.findings] == [40 << 20]
    assert peak < 16 << 20


def test_redaction_takes_everything_out(tmp_path: Path, acting: Case) -> None:
    """Afterwards nothing is found, JSON is still JSON, a binary keeps its length, lines keep their numbers."""
    run = tmp_path / "run"
    planted(run)
    (run / "spans.jsonl").chmod(0o640)
    before = {path.name: path.read_bytes() for path in run.iterdir()}

    effect = redact_artifacts.fn(str(run))

    assert effect.changed
    assert scan_artifacts.fn(str(run)).findings == ()
    rows = [json.loads(line) for line in (run / "spans.jsonl").read_text().splitlines()]
    assert rows[7] == {"id": 7, "text": "é", "card": "[redacted:card]"}
    assert len((run / "core.bin").read_bytes()) == len(before["core.bin"])
    assert (run / "report.md").read_bytes().count(b"\n") == before["report.md"].count(b"\n")
    assert (run / "clean.jsonl").read_bytes() == before["clean.jsonl"]
    assert stat.S_IMODE((run / "spans.jsonl").stat().st_mode) == 0o640
    assert gzip.decompress((run / "run.log.gz").read_bytes()) == b"line\nline [redacted:github-token]\n"
    with zipfile.ZipFile(run / "all.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("clean.txt") == b"nothing here\n"
    assert {path.name for path in run.iterdir()} == set(before)
    assert not redact_artifacts.fn(str(run)).changed


def test_a_copy_leaves_the_artifacts_as_they_are(tmp_path: Path, acting: Case) -> None:
    """The copy is clean, leaves out what cannot be judged, and the original is untouched."""
    run = tmp_path / "run"
    planted(run)
    (run / "elsewhere").symlink_to(tmp_path)
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}

    effect = redacted_copy.fn(str(run), str(tmp_path / "copy"))

    assert "elsewhere" in effect.detail
    assert scan_artifacts.fn(str(tmp_path / "copy")).findings == ()
    assert {path.name for path in (tmp_path / "copy").iterdir()} == set(before)
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_full_disk_leaves_the_file_whole(
    tmp_path: Path, acting: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the new file cannot be written, the old one stays as it was, nothing lies beside it, and it is said."""
    (tmp_path / "a.txt").write_text(f"x {KEY_ID}\n")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(StepFailed, match="No space left"):
        redact_artifacts.fn(str(tmp_path))

    assert (tmp_path / "a.txt").read_text() == f"x {KEY_ID}\n"
    assert not list(tmp_path.glob(f".*{SUFFIX}"))


def test_another_name_of_the_file_is_not_forgotten(tmp_path: Path, acting: Case) -> None:
    """A file with a second hard link is refused: the other name would keep the secret."""
    (tmp_path / "a.txt").write_text(KEY_ID)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/b.txt").hardlink_to(tmp_path / "a.txt")

    with pytest.raises(StepFailed, match="hard link"):
        redact_artifacts.fn(str(tmp_path / "a.txt"))

    assert (tmp_path / "a.txt").read_text() == KEY_ID
