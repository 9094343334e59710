from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_boards import TASKS, submission

from crossbench.errors import BundleError, CardError, RecordError, RequestError
from crossbench.hosting.changes import remove_submission
from crossbench.hosting.folder import is_board, open_board, results_folders
from crossbench.results.records.loading import load_results


def test_a_board_says_what_was_submitted_by_whom_and_when(board: Path) -> None:
    found = open_board(board)
    assert found.settings.title == "Nodules in 3D"
    assert [(each.method, each.authors, each.date, each.state) for each in found.submissions] == [
        ("mine", ("A. Author",), "2026-11-01", "in force"),
        ("other", ("B. Other",), "2026-11-02", "in force"),
    ]
    first = found.submissions[0]
    assert first.bundle == board / "submissions" / f"{first.id}.zip"
    assert re.fullmatch("mine-[0-9a-f]{8}", first.id)
    assert first.manifest.preset == "standard"
    assert first.conformance is None


def test_the_results_are_those_of_the_submissions_in_force(board: Path) -> None:
    frame = load_results(*results_folders(board))
    assert sorted(frame["method"].unique()) == ["majority", "mine", "other"]
    assert len(frame) == 3 * 2 * len(TASKS)
    remove_submission(board, "other", "withdrawn")
    frame = load_results(*results_folders(board))
    assert sorted(frame["method"].unique()) == ["majority", "mine"]


def test_results_are_unpacked_once(board: Path) -> None:
    (first,) = results_folders(board)
    (first / "mark").touch()
    assert results_folders(board) == [first]
    assert (first / "mark").exists()


def test_a_board_without_submissions_has_no_results(empty: Path) -> None:
    assert open_board(empty).submissions == ()
    assert results_folders(empty) == []


def test_the_report_of_a_conformance_check_is_read(
    empty: Path, tmp_path: Path, add: Callable[..., object]
) -> None:
    report = {"schema": 1, "method": "mine", "sha256": "0" * 64, "checks": [], "cost": []}
    content = json.dumps(report).encode()
    add(empty, submission(tmp_path / "mine.zip", contents={"conformance.json": content}))
    (found,) = open_board(empty).submissions
    assert found.conformance is not None
    assert found.conformance.method == "mine"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "conformance.json is not readable as JSON"),
        (b'{"schema": 7}', "this version reads 1"),
    ],
)
def test_a_conformance_report_that_is_none_is_named(
    empty: Path, tmp_path: Path, add: Callable[..., object], content: bytes, words: str
) -> None:
    add(empty, submission(tmp_path / "mine.zip", contents={"conformance.json": content}))
    (found,) = open_board(empty).submissions
    with pytest.raises(BundleError, match=words):
        _ = found.conformance


def test_what_is_no_board_is_refused(tmp_path: Path) -> None:
    assert not is_board(tmp_path)
    with pytest.raises(RequestError, match=r"is no board: it holds no board\.toml; .* board new"):
        open_board(tmp_path)


def test_a_damaged_board_names_the_file(board: Path) -> None:
    (board / "log.json").write_text('{"schema_version": 1, "submissions": [{}]}')
    with pytest.raises(RecordError, match=r"log\.json: .*required key 'submissions\[0\]\.id'"):
        open_board(board)
    (board / "board.toml").write_text("titel = 'Nodules'\n")
    with pytest.raises(CardError, match=r"board\.toml: unknown key 'titel'; did you mean title"):
        open_board(board)


def test_a_bundle_that_was_exchanged_is_refused(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))
    first, second = open_board(board).submissions
    shutil.copy(second.bundle, first.bundle)
    with pytest.raises(BundleError, match=rf"is not the file that was accepted; .* {first.id}"):
        _ = first.manifest
    with pytest.raises(BundleError, match="is not the file that was accepted"):
        results_folders(board)
    first.bundle.unlink()
    with pytest.raises(BundleError, match="is missing; restore it, or remove"):
        _ = open_board(board).submissions[0].manifest
