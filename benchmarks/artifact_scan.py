"""The scanner of artifacts: speed beside detect-secrets and ripgrep, memory, and recall on data of others.

Nothing here was written with the corpora in view: secrets are drawn from the rules that Kingfisher ships (whatever it
finds itself counts), personal data is Presidio's labelled set.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.foreign import fetch

DETECT_SECRETS, KINGFISHER, RSTR = "detect-secrets==1.5.0", "kingfisher-secret-scanner==1.5.0", "rstr==3.2.2"
PRESIDIO = "presidio-evaluator==0.3.2"
CLEAN_MB, SLOW_MB, BIG_MB = 100, 1, 2048
LABELS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "US_SSN": "ssn",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
}


def measure() -> Iterator[Figure]:
    """Speed first, then memory, then what is found."""
    with tempfile.TemporaryDirectory(prefix="backstop-bench-") as folder:
        clean = Path(folder) / "clean.jsonl"
        _write_clean(clean, CLEAN_MB)
        yield from _speed(Path(folder), clean)
        yield from _memory(Path(folder), clean)
    yield from _secrets()
    yield from _personal()


def _write_clean(path: Path, megabytes: int) -> None:
    import base64
    import hashlib
    import random
    import uuid

    chance, number = random.Random(1), 0  # noqa: S311 - invented log lines
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < megabytes * 1_000_000:
            number += 1
            digest = hashlib.sha256(str(number).encode())
            row = {
                "timestamp": f"2026-11-23T22:{chance.randrange(60):02}:54.{chance.randrange(10**6):06}Z",
                "traceId": f"{chance.getrandbits(128):032x}",
                "requestId": str(uuid.UUID(int=chance.getrandbits(128))),
                "message": f"processed {chance.randrange(999)} records of arn:aws:sqs:eu-west-1:123456789012:itk",
                "etag": digest.hexdigest()[:32],
                "codeSha256": base64.b64encode(digest.digest()).decode(),
                "startNs": 1_764_000_000_000_000_000 + number,
                "attributes": {"http.url": f"https://api.example.test/v1/items/{number}", "next_token": None},
            }
            file.write(json.dumps(row) + "\n")


def _speed(folder: Path, clean: Path) -> Iterator[Figure]:
    from tasks._scan_engine import with_re
    from tasks._scan_files import scan_folder

    scan_folder(_head(clean, folder / "warm.jsonl", 1_000_000))  # compiles the patterns
    began = time.thread_time()
    report = scan_folder(clean)
    ours = clean.stat().st_size / 1e6 / (time.thread_time() - began)
    yield Figure.at_least("scanner, clean JSON lines, one core", ours, "MB/s", 100)
    yield Figure.exactly("false findings in them", len(report.findings), "", 0)
    small = _head(clean, folder / "small.jsonl", SLOW_MB * 1_000_000)
    began = time.thread_time()
    scan_folder(small, hits=with_re())
    yield Figure.raw("scanner without Hyperscan", SLOW_MB / (time.thread_time() - began), "MB/s")
    theirs = SLOW_MB / float(_in_detect_secrets(_TIMED, str(small)))
    yield Figure.raw("detect-secrets", theirs, "MB/s")
    yield Figure.at_least("scanner over detect-secrets", ours / theirs, "×", 100)
    yield from _beside_ripgrep(folder, _head(clean, folder / "part.jsonl", 20_000_000))


def _head(path: Path, to: Path, size: int) -> Path:
    with path.open("rb") as file:
        to.write_bytes(file.read(size).rpartition(b"\n")[0] + b"\n")
    return to


def _beside_ripgrep(folder: Path, clean: Path) -> Iterator[Figure]:
    """Whole processes' worth of time on both sides, the file in memory already, one thread."""
    from rules.secret_anchors import ANCHORS
    from tasks._scan_files import scan_folder

    if shutil.which("rg") is None:
        sys.stderr.write("ripgrep is not here (apt-get install ripgrep): not compared\n")
        return
    patterns = folder / "patterns"
    patterns.write_text("\n".join(anchor.expression for anchor in ANCHORS) + "\n", encoding="utf-8")
    words = ["rg", "-j1", "-a", "--no-unicode", "--dfa-size-limit", "1G", "--regex-size-limit", "1G"]
    words += ["-c", "-f", str(patterns), str(clean)]
    taken = []
    for _ in range(2):
        began = time.perf_counter()
        done = subprocess.run(words, stdout=subprocess.DEVNULL, check=False)
        if done.returncode > 1:  # 1: nothing found
            raise RuntimeError("ripgrep does not take the patterns")
        taken.append(time.perf_counter() - began)
    began = time.perf_counter()
    scan_folder(clean)
    ours = time.perf_counter() - began
    yield Figure.raw(
        "ripgrep, the same patterns, one thread", clean.stat().st_size / 1e6 / min(taken), "MB/s"
    )
    yield Figure.at_most("scanner's time over ripgrep's", ours / min(taken), "×", 3)


_PEAK = """
import resource, sys
from pathlib import Path
from tasks._scan_files import scan_folder
scan_folder(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
scan_folder(Path(sys.argv[2]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def _memory(folder: Path, clean: Path) -> Iterator[Figure]:
    big = folder / "big.jsonl"
    content = clean.read_bytes()
    with big.open("wb") as file:
        while file.tell() < BIG_MB << 20:
            file.write(content)
    del content
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(clean), str(big)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    yield Figure.at_most("memory that 2 GB take beyond 100 MB", float(done.stdout), "MB", 16)


_TIMED = """
import sys, time
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings
with default_settings():
    began = time.process_time()
    list(scan_file(sys.argv[1]))
    print(time.process_time() - began)
"""
_LINES = """
import json, sys
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings
with default_settings():
    print(json.dumps(sorted({found.line_number for found in scan_file(sys.argv[1])})))
"""


def _in_detect_secrets(program: str, argument: str) -> str:
    found = fetch(DETECT_SECRETS)
    return subprocess.run(
        [sys.executable, "-c", program, argument],
        env={**os.environ, "PYTHONPATH": str(found)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


_DRAW = """
import json, random, re, sys, warnings
warnings.simplefilter("ignore")
NEUTRAL = "2026-11-23T22:46:54Z INFO response was %s after 12 ms"
import rstr
from kingfisher_sdk.rules import Rules
from kingfisher_sdk.scanner import Scanner
rules, draw = Rules(cache=False), rstr.Rstr(random.Random(20261128))
scanner, rows, unread = Scanner(rules), [], 0
for rule in rules.metadata():
    try:
        drawn = [draw.xeger(rules.detail(rule["id"])["pattern"]) for _ in range(3)]
    except Exception:
        unread += 1
        continue
    for text in drawn:
        text = " ".join(text.split())
        if text.isprintable() and text.isascii():
            line = NEUTRAL % text
            found = scanner.scan(line)
            if found:
                alone = bool(scanner.scan(NEUTRAL % found[0].secret))
                rows.append([rule["id"], line, alone])
json.dump({"rows": rows, "unread": unread}, sys.stdout)
"""


def _secrets() -> Iterator[Figure]:
    from rules.secret_spans import PERSONAL, find_spans

    path = os.pathsep.join(map(str, (fetch(KINGFISHER), fetch(RSTR))))
    drawn = subprocess.run(
        [sys.executable, "-c", _DRAW],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(drawn.stdout)["rows"]
    with tempfile.NamedTemporaryFile("w", suffix=".log") as file:
        file.writelines(f"{line}\n" for _, line, _ in rows)
        file.flush()
        numbers = set(json.loads(_in_detect_secrets(_LINES, file.name)))
    theirs = [number in numbers for number in range(1, len(rows) + 1)]
    ours = [any(span.kind not in PERSONAL for span in find_spans(line)) for _, line, _ in rows]
    for alone, what in ((True, "that give themselves away"), (False, "that a name beside them gives away")):
        chosen = [number for number, row in enumerate(rows) if row[2] is alone]
        yield Figure.raw(f"secrets of Kingfisher's rules {what}", len(chosen), "")
        yield Figure.raw("… of these detect-secrets finds", sum(theirs[n] for n in chosen) / len(chosen), "")
        yield Figure.raw("… of these the scanner finds", sum(ours[n] for n in chosen) / len(chosen), "")
    yield Figure.at_least(
        "all: recall beyond detect-secrets'", (sum(ours) - sum(theirs)) / len(rows), "", 0.0
    )


def _personal() -> Iterator[Figure]:
    from rules.secret_spans import PERSONAL, find_spans

    (path,) = fetch(PRESIDIO, source=True).glob("*/data/synth_dataset_v2.json")
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    wanted = dict.fromkeys(LABELS, 0)
    found, false, credentials = dict.fromkeys(LABELS, 0), 0, 0
    for row in rows:
        spans = find_spans(row["full_text"])
        labelled = [(s["entity_type"], s["start_position"], s["end_position"]) for s in row["spans"]]
        for kind, start, end in labelled:
            if kind in LABELS:
                wanted[kind] += 1
                found[kind] += any(each.start < end and start < each.end for each in spans)
        for each in spans:
            touched = any(each.start < end and start < each.end for _, start, end in labelled)
            false += not touched and each.kind in PERSONAL
            credentials += each.kind not in PERSONAL
    for label, kind in LABELS.items():
        yield Figure.raw(
            f"Presidio's labelled set: {kind} found of {wanted[label]}", found[label] / wanted[label], ""
        )
    yield Figure.raw(f"personal data where none is labelled, in {len(rows)} texts", false, "")
    yield Figure.raw("credentials where there are none, in them", credentials, "")
