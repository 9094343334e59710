from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from crossbench.data import watch
from crossbench.data.watch import FileState, Watch, open_regular
from crossbench.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("seconds", "settled"),
    [(0, False), (1, False), (3, True), (-60, False)],  # the last: another clock wrote it
)
def test_a_file_settles_two_seconds_after_its_last_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, settled: bool
) -> None:
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", ns=(1, 1))  # its time of change is still now
    written = (tmp_path / "a").stat().st_ctime_ns
    monkeypatch.setattr(watch, "time_ns", lambda: written + seconds * 10**9)
    with open_regular(tmp_path / "a") as stream:
        assert FileState.of(stream.fileno()).is_settled() is settled


def test_a_watched_file_is_the_one_that_was_opened(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"first")
    with open_regular(file) as stream:
        watched = Watch(file, stream)
    (tmp_path / "b").write_bytes(b"another one")
    (tmp_path / "b").replace(file)
    assert watched.now().size == 5
    descriptor = watched._descriptor
    del watched
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(DataError, match=f"{path.name} is no regular file"):
            open_regular(path)
