from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_boards import submission

from crossbench.cli import main
from crossbench.hosting.changes import add_bundle
from crossbench.hosting.folder import open_board


@pytest.fixture
def board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "board"
    made = main(["board", "new", str(folder), "--title", "Nodules", "--contact", "us@example.org"])
    assert made == 0
    assert "made the board 'Nodules'" in capsys.readouterr().err
    bundle = submission(tmp_path / "b.zip", tasks=("blood",), authors=["A", "B"])
    add_bundle(folder, bundle, faults=lambda _: (), when="2026-11-01T10:00:00+00:00")
    return folder


def test_a_board_is_listed_in_words(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board", "list", str(board)]) == 0
    said = capsys.readouterr().out
    for words in ("Nodules", "mine", "2026-11-01", "in force", "standard"):
        assert words in said


def test_a_board_is_listed_for_programs(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = open_board(board).submissions
    assert main(["board", "remove", found.id, "--from", str(board), "--reason", "a test"]) == 0
    assert f"removed {found.id}" in capsys.readouterr().err
    assert main(["board", "list", str(board), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["title"], listed["contact"]) == ("Nodules", "us@example.org")
    (row,) = listed["submissions"]
    assert row["bundle"] == f"submissions/{found.id}.zip"
    assert (row["state"], row["reason"], row["authors"]) == ("removed", "a test", ["A", "B"])
    assert main(["board", "list", str(board)]) == 0
    assert "removed on" in capsys.readouterr().out


def test_an_empty_board_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["board", "new", str(tmp_path), "--title", "Empty"]) == 0
    assert main(["board", "list", str(tmp_path)]) == 0
    assert "no submissions; `crossbench board add BUNDLE" in capsys.readouterr().out


def test_what_is_no_board_is_a_wrong_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["board", "list", str(tmp_path)]) == 2
    assert "is no board" in capsys.readouterr().err


def test_a_bundle_that_is_not_there_is_named(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["board", "add", str(tmp_path / "none.zip"), "--to", str(board)]) == 2
    assert "none.zip' does not exist; `crossbench submit` writes bundles" in capsys.readouterr().err


def test_a_bundle_that_does_not_hold_is_refused_with_what_is_wrong(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = submission(tmp_path / "other.zip", "other", tasks=("blood",))
    assert main(["board", "add", str(bundle), "--to", str(board)]) == 2
    said = capsys.readouterr().err
    assert "other.zip does not hold, and was not added:\n  " in said
    assert len(open_board(board).submissions) == 1


def test_a_site_is_written(board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site"
    assert main(["board", "build", str(board), "--out", str(site), "--no-charts"]) == 0
    assert f"wrote 4 pages; open {site / 'index.html'}" in capsys.readouterr().err
    assert (site / "methods" / "mine.html").is_file()
