"""Evidence is whole, encrypted and readable before anything of it is deleted."""

from __future__ import annotations

import base64
import os
import uuid
from pathlib import Path

import pytest

from blocks.environment import Environment
from blocks.test_kit import CopyStore
from ledger.cases import Case
from rules.errors import StepFailed
from sandbox.test_kit.place import KitPlace
from sandbox.world import Sandbox
from tasks import _seals
from tasks.evidence import delete_artifacts, exposed_values, kept_evidence, preserve_evidence, take_out
from tasks.kit_redaction import redact_names
from tests.flows.kit_world import KitWorld

KEY_ID = "AKIA" + "IOSFODNN7EXAMPLE"
LETTERS = "AKIA" + "QAZWSXEDCRFVTGBY"
"""One of five of AWS's ids has no digit in it."""
RUN, PIECE = "run-1", 4096


@pytest.fixture
def run(qa: KitPlace, qa_sandbox: Sandbox, acting: Case, monkeypatch: pytest.MonkeyPatch) -> KitWorld:
    """Qa with a run's folder: two files, the larger of several pieces, and a link."""
    monkeypatch.setattr(_seals, "PIECE", PIECE)
    folder = qa.artifacts / RUN
    (folder / "deep").mkdir(parents=True)
    (folder / "spans.jsonl").write_text(f'{{"key": "{KEY_ID}"}}\n' * 1000)
    (folder / "deep" / "note.txt").write_text(f"mail jane@example.com\nkey {LETTERS}\npassword: plainword\n")
    (folder / "link").symlink_to("/etc/passwd")
    return KitWorld.of(qa_sandbox, qa)


@pytest.fixture(params=["directory", "bucket"])
def environment(run: KitWorld, request: pytest.FixtureRequest) -> Environment:
    """Copies in a folder, and in a bucket."""
    if request.param == "directory":
        return run.environment
    bucket = f"qa-evidence-{uuid.uuid4().hex[:8]}"
    run.place.client("s3").create_bucket(Bucket=bucket)
    key = run.environment.test_kit.copies.key
    return run.with_kit(copies=CopyStore(bucket=bucket, key=key))


def test_it_can_be_taken_out_as_it_was(run: KitWorld, environment: Environment, tmp_path: Path) -> None:
    """Every byte comes back; keeping it again changes nothing; the secrets in it can be looked for elsewhere."""
    folder = run.place.artifacts / RUN

    assert preserve_evidence.fn(environment, RUN).changed
    assert not preserve_evidence.fn(environment, RUN).changed

    take_out(environment, RUN, tmp_path / "out")
    for name in ("spans.jsonl", "deep/note.txt"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()
    assert exposed_values(environment, RUN, personal=False) == {KEY_ID.encode(), LETTERS.encode()}
    assert exposed_values(environment, RUN, personal=True) == {b"jane@example.com"}


def test_only_what_is_kept_is_deleted(run: KitWorld, environment: Environment) -> None:
    """A file that came or changed since keeps the whole folder; then all of it goes, and what links lead to stays."""
    with pytest.raises(StepFailed, match="not in the evidence"):
        delete_artifacts.fn(environment, RUN)
    preserve_evidence.fn(environment, RUN)
    late = run.place.artifacts / RUN / "late.txt"
    late.write_text("x")

    with pytest.raises(StepFailed, match="late"):
        delete_artifacts.fn(environment, RUN)

    assert (run.place.artifacts / RUN / "spans.jsonl").exists()
    assert preserve_evidence.fn(environment, RUN).changed
    assert delete_artifacts.fn(environment, RUN).changed
    assert not (run.place.artifacts / RUN).exists()
    assert Path("/etc/passwd").exists()
    assert not delete_artifacts.fn(environment, RUN).changed
    assert not preserve_evidence.fn(environment, RUN).changed


@pytest.mark.parametrize("harm", ["cut", "changed", "swapped", "another key"])
def test_damaged_evidence_is_no_evidence(run: KitWorld, harm: str) -> None:
    """Cut, changed, put in another order, or with another key: nothing is deleted on its word."""
    preserve_evidence.fn(run.environment, RUN)
    [path] = run.place.copies.rglob("*.evidence")
    kept = path.read_bytes()
    start, size = len(_seals.HEAD) + 16, PIECE + 16
    first, second, rest = kept[start:][:size], kept[start + size :][:size], kept[start + 2 * size :]
    if harm == "cut":
        path.write_bytes(kept[: start + 2 * size])
    elif harm == "changed":
        path.write_bytes(kept[:start] + bytes([first[0] ^ 1]) + first[1:] + second + rest)
    elif harm == "swapped":
        path.write_bytes(kept[:start] + second + first + rest)
    else:
        run.place.copies_key.write_bytes(base64.b64encode(os.urandom(32)))

    with pytest.raises(StepFailed):
        kept_evidence.fn(run.environment, RUN)
    with pytest.raises(StepFailed):
        delete_artifacts.fn(run.environment, RUN)

    assert (run.place.artifacts / RUN / "spans.jsonl").exists()


def test_names_are_added_to_the_redaction(run: KitWorld) -> None:
    """What is there stays, in its order; comments and other settings are as they were; twice is once."""
    path = run.place.folder / ".env"
    path.write_text("# ours\nITK_MODE=live\nexport ITK_REDACT_KEYS='token, Password'\nX=1\n")

    assert redact_names.fn(run.environment, "ITK_REDACT_KEYS", ("password", "api_key")).changed
    assert not redact_names.fn(run.environment, "ITK_REDACT_KEYS", ("password", "api_key")).changed
    assert redact_names.fn(run.environment, "ITK_REDACT_PATTERNS", ("email",)).changed

    assert path.read_text() == (
        "# ours\nITK_MODE=live\nexport ITK_REDACT_KEYS=token,Password,api_key\nX=1\nITK_REDACT_PATTERNS=email\n"
    )
