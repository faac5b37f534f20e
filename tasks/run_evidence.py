"""What a workflow run left behind: the logs of its failed jobs, its artifacts. Bounded, and redacted."""

from __future__ import annotations

import io
import zipfile
from collections import deque
from collections.abc import Iterable
from functools import partial

from blocks.environment import Environment
from blocks.github_errors import NotOnGithub, translated
from rules.errors import StepFailed
from rules.redaction import redact
from rules.values import Frozen
from rules.workflow_runs import RunLook, WorkflowJob
from tasks.kinds import in_parallel, probe
from tasks.workflow_runs import repository_of

MOST_OF_A_LOG = 512 * 1024
"""Bytes of one job's log that are kept: its end, where the failure stands."""
_MOST_JOBS = 16
_LARGEST_ARTIFACT = 32 * 1024 * 1024
_MOST_UNPACKED = 16 * 1024 * 1024
_MOST_FILES = 500


class JobLog(Frozen):
    """The log of one job, redacted; `cut`: its beginning is missing."""

    job: str
    text: str
    cut: bool = False


class ArtifactFile(Frozen):
    """One file of an artifact, redacted. Its name is a label and never becomes a path."""

    name: str
    text: str
    cut: bool = False


@probe
def failed_logs(environment: Environment, look: RunLook) -> list[JobLog]:
    """The logs of the run's failed jobs, in their order; those that GitHub has removed are left out.

    GitHub permissions: actions: read
    """
    failed = [job for job in look.jobs if job.failed][:_MOST_JOBS]
    if not failed:
        return []
    found = in_parallel([partial(_job_log, environment, job) for job in failed])
    return [log for log in found if log is not None]


def _job_log(environment: Environment, job: WorkflowJob) -> JobLog | None:
    repository = repository_of(environment)
    try:
        with (
            translated(f"read the log of the job {job.name} of {repository.full_name}"),
            repository.client(environment.account) as github,
        ):
            answer = github.rest.actions.download_job_logs_for_workflow_run(
                repository.owner, repository.name, job.id, stream=True
            )
            kept, cut = _end(answer.iter_bytes(64 * 1024), MOST_OF_A_LOG)
    except NotOnGithub:
        return None  # expired, or the job never wrote one
    return JobLog(job=job.name, text=redact(kept.decode("utf-8", "replace")), cut=cut)


def _end(pieces: Iterable[bytes], most: int) -> tuple[bytes, bool]:
    """The last bytes, from the start of a line on; whether there were more."""
    kept: deque[bytes] = deque()
    size, cut = 0, False
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        while size - len(kept[0]) >= most:
            size -= len(kept.popleft())
            cut = True
    whole = b"".join(kept)
    if len(whole) > most:
        whole, cut = whole[-most:], True
    return (whole.partition(b"\n")[2] if cut else whole), cut


@probe
def artifact(environment: Environment, run_id: int, name: str) -> list[ArtifactFile]:
    """The files of a run's newest artifact of that name; none where it has no such artifact.

    GitHub permissions: actions: read

    Raises:
        StepFailed: it is larger than 32 MiB, or no zip file.
    """
    repository = repository_of(environment)
    with (
        translated(f"read the artifact {name} of the run {run_id} of {repository.full_name}"),
        repository.client(environment.account) as github,
    ):
        actions = github.rest.actions
        listed = actions.list_workflow_run_artifacts(
            repository.owner, repository.name, run_id, name=name, per_page=100
        ).parsed_data.artifacts
        there = [one for one in listed if one.name == name and not one.expired]
        if not there:
            return []
        newest = max(there, key=lambda one: one.id)
        if newest.size_in_bytes > _LARGEST_ARTIFACT:
            raise StepFailed(f"The artifact {name} has {newest.size_in_bytes} bytes: too many to look at.")
        answer = actions.download_artifact(repository.owner, repository.name, newest.id, "zip", stream=True)
        packed = bytearray()
        for piece in answer.iter_bytes(256 * 1024):
            packed += piece
            if len(packed) > _LARGEST_ARTIFACT:
                raise StepFailed(f"The artifact {name} is larger than it said: it was not looked at.")
    return _unpacked(name, bytes(packed))


def _unpacked(name: str, packed: bytes) -> list[ArtifactFile]:
    """Its files, in memory. What a zip says about sizes is not believed."""
    found: list[ArtifactFile] = []
    left = _MOST_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            for entry in archive.infolist()[:_MOST_FILES]:
                if entry.is_dir() or entry.flag_bits & 1 or left <= 0:
                    continue
                with archive.open(entry) as file:
                    body = file.read(left + 1)
                cut, body = len(body) > left, body[:left]
                left -= len(body)
                text = redact(body.decode("utf-8", "replace"))
                found.append(ArtifactFile(name=redact(entry.filename)[:300], text=text, cut=cut))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise StepFailed(f"The artifact {name} cannot be unpacked: {error}.") from error
    return found
