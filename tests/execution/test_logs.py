"""Logs of runs stay where the run failed, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossbench.errors.foreign import ChildDiedError
from crossbench.execution.logs import RunLog, log_name, remove_logs

if TYPE_CHECKING:
    from pathlib import Path

ONE, OTHER = "1" * 64, "2" * 64


def test_a_log_goes_with_its_block(tmp_path: Path) -> None:
    with RunLog(tmp_path) as log:
        log.begin(ONE)
        log.note(b"printed")
        assert (tmp_path / log_name(ONE)).read_bytes() == b"printed"
        log.begin(ONE)
        log.note(b" more")
        assert (tmp_path / log_name(ONE)).read_bytes() == b"printed more"
        log.begin(OTHER)
        assert not (tmp_path / log_name(ONE)).exists()
    assert list(tmp_path.iterdir()) == []


def test_a_log_stays_where_the_process_died(tmp_path: Path) -> None:
    def die() -> None:
        with RunLog(tmp_path) as log:
            log.begin(ONE)
            log.note(b"printed")
            raise ChildDiedError(1)

    with pytest.raises(ChildDiedError):
        die()
    assert (tmp_path / log_name(ONE)).read_bytes() == b"printed"


def test_logs_are_removed_by_their_runs(tmp_path: Path) -> None:
    remove_logs(tmp_path, [ONE])
    for identity in (ONE, OTHER):
        (tmp_path / log_name(identity)).parent.mkdir(exist_ok=True)
        (tmp_path / log_name(identity)).touch()
    remove_logs(tmp_path, [ONE, "3" * 64])
    assert [file.name for file in tmp_path.glob("*/*")] == ["22222222.log"]
    remove_logs(tmp_path, [OTHER])
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    with RunLog(tmp_path) as log:
        log.begin(ONE)
        log.note(b"printed")
    remove_logs(tmp_path, [ONE])
    assert (tmp_path / "logs").is_file()
