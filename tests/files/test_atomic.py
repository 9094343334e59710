from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crossbench.files.atomic import remove_abandoned, replacing


def test_a_file_appears_whole(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.txt"
    with replacing(file) as temporary:
        temporary.write_text("whole")
        assert not file.exists()
    assert file.read_text() == "whole"
    assert list(file.parent.iterdir()) == [file]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def interrupted() -> None:
        with replacing(file) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_draft_of_a_killed_process_goes_with_the_next_write(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from crossbench.files.atomic import replacing\n"
        "with replacing(Path(sys.argv[1]) / 'a.txt') as draft:\n"
        "    draft.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-P", "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    with replacing(tmp_path / "b.txt") as draft:
        assert not left.exists()
        draft.write_text("whole")
        remove_abandoned(tmp_path)
        assert draft.exists()  # of a process that lives
    assert [file.name for file in tmp_path.iterdir()] == ["b.txt"]


def test_drafts_from_elsewhere_go_an_hour_after_they_were_written(tmp_path: Path) -> None:
    elsewhere = [f".a.txt.0123abcd-1.{'0' * 12}.tmp", f".a.txt.{'0' * 32}.tmp"]
    kept = [".a.txt.tmp", "a.txt", f"a.txt.{'0' * 32}.tmp"]
    for name in (*elsewhere, *kept):
        (tmp_path / name).write_text("half")
    remove_abandoned(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {*elsewhere, *kept}
    for name in (*elsewhere, *kept):
        os.utime(tmp_path / name, (0, 0))
    remove_abandoned(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == set(kept)


def test_a_folder_that_is_not_there_has_no_drafts(tmp_path: Path) -> None:
    remove_abandoned(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()
