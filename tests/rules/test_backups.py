"""The names of backups: they sort by time, and none leads out of its folder."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rules.backups import BackupId, BackupKind, backup_id, new_id
from rules.errors import RecoveryRefused

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds the zone
SALTS = st.integers(0, 0xFFFF).map(lambda number: f"{number:04x}")


@given(MOMENTS, MOMENTS, st.sampled_from(BackupKind), st.sampled_from(BackupKind), SALTS)
def test_names_sort_by_time(
    one: datetime, other: datetime, kind: BackupKind, other_kind: BackupKind, salt: str
) -> None:
    """Whatever the kinds, the name of the later backup is the greater one, and each name is taken back."""
    first, second = new_id(kind, one, salt), new_id(other_kind, other, salt)

    assert backup_id(first) == first
    if one.replace(microsecond=0) < other.replace(microsecond=0):
        assert first < second


@pytest.mark.parametrize(
    "name",
    ["", "..", "../other/20260729-143022-deploy-3fa2", "20260729-143022-deploy-3fa2/..", "/etc/passwd",
     "20260729-143022-deploy-3fa2\n", ".tmp-abc", "deploy-20260729-143022", "20260729-143022-DEPLOY-3fa2"],
)  # fmt: skip
def test_no_other_name_is_taken(name: str) -> None:
    """What could lead elsewhere is refused, with the form of a name as the hint."""
    with pytest.raises(RecoveryRefused, match="cannot be the name of a backup"):
        backup_id(name)
    with pytest.raises(ValidationError):
        TypeAdapter(BackupId).validate_python(name)
