from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made_boards import submission

from crossbench.errors import BundleError, RecordError, RequestError
from crossbench.hosting.changes import add_bundle, new_board, remove_submission
from crossbench.hosting.folder import BoardSettings, open_board, results_folders
from crossbench.results.records.loading import load_results

LATER = "2026-11-03T12:00:00+00:00"


def states(folder: Path) -> list[tuple[str, str]]:
    return [(each.method, each.state) for each in open_board(folder).submissions]


def test_a_board_is_made_beside_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("ours")
    new_board(tmp_path, BoardSettings(title='A "title"', description="Two\n\nparagraphs"))
    settings = open_board(tmp_path).settings
    assert (settings.title, settings.description) == ('A "title"', "Two\n\nparagraphs")
    assert (tmp_path / "README.md").read_text() == "ours"
    assert (tmp_path / ".gitignore").read_text() == "/.lock\n"
    with pytest.raises(RequestError, match="is a board already"):
        new_board(tmp_path, settings)


def test_a_board_without_a_title_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--title is empty"):
        new_board(tmp_path / "board", BoardSettings(title=" "))
    assert not (tmp_path / "board").exists()


def test_a_later_submission_supersedes_the_earlier_one(
    board: Path, bundles: Path, add: Callable[..., object]
) -> None:
    first = open_board(board).submissions[0]
    added = add(board, bundles / "better.zip", LATER)
    assert added.superseded == (first,)
    assert states(board) == [("mine", "superseded"), ("other", "in force"), ("mine", "in force")]
    earlier = open_board(board).submissions[0]
    assert earlier.fate == f"superseded on {added.submission.date} by {added.submission.id}"
    assert earlier.bundle.is_file()
    frame = load_results(*results_folders(board))
    assert set(frame.loc[frame["method"] == "mine", "started"]) == set(frame["started"])
    assert len(frame) == 12


def test_another_grid_supersedes_nothing(
    board: Path, tmp_path: Path, add: Callable[..., object]
) -> None:
    added = add(board, submission(tmp_path / "track.zip", note="2", track="full-1"), LATER)
    assert added.superseded == ()
    assert [state for _, state in states(board)] == ["in force"] * 3


def test_the_same_bundle_changes_nothing(
    board: Path, bundles: Path, add: Callable[..., object]
) -> None:
    before = (board / "log.json").read_bytes()
    added = add(board, bundles / "mine.zip", LATER)
    assert added.was_there
    assert added.submission.date == "2026-11-01"
    assert (board / "log.json").read_bytes() == before


def test_what_was_superseded_or_removed_does_not_come_back_by_itself(
    board: Path, bundles: Path, add: Callable[..., object]
) -> None:
    add(board, bundles / "better.zip", LATER)
    with pytest.raises(RequestError, match=r"superseded on .* by mine-.*; remove that one"):
        add(board, bundles / "mine.zip")
    remove_submission(board, "other", "made up")
    with pytest.raises(RequestError, match=r"was removed on .* \(made up\); .* submit it anew"):
        add(board, bundles / "other.zip")


def test_others_may_not_take_the_place_of_a_method(
    board: Path, tmp_path: Path, add: Callable[..., object]
) -> None:
    bundle = submission(tmp_path / "theirs.zip", authors=["C. Stranger"], skill=2.0)
    with pytest.raises(RequestError, match=r"by A\. Author, and this bundle is by C\. Stranger"):
        add(board, bundle)
    assert [state for _, state in states(board)] == ["in force"] * 2
    assert add(board, bundle, others_may=True).superseded


def test_a_bundle_that_does_not_hold_is_refused(empty: Path, bundles: Path) -> None:
    bundle = bundles / "mine.zip"
    with pytest.raises(BundleError, match=r"mine\.zip does not hold, .*:\n  one\n  two"):
        add_bundle(empty, bundle, faults=lambda _: ["one", "two"])
    assert open_board(empty).submissions == ()
    assert list((empty / "submissions").iterdir()) == []


def test_what_is_validated_is_what_is_kept(empty: Path, bundles: Path, tmp_path: Path) -> None:
    """A file that is exchanged while it is looked at does not slip in."""
    bundle = Path(shutil.copy(bundles / "mine.zip", tmp_path))
    wanted = bundle.read_bytes()

    def exchange(_: Path) -> tuple[()]:
        bundle.write_bytes(b"another")
        return ()

    added = add_bundle(empty, bundle, faults=exchange)
    assert added.submission.bundle.read_bytes() == wanted


def test_a_removed_method_is_kept_with_the_reason(board: Path) -> None:
    done = remove_submission(board, "mine", " its labels had leaked ", when=LATER)
    (gone,) = done.submissions
    assert (gone.state, gone.entry.reason) == ("removed", "its labels had leaked")
    assert gone.entry.removed == LATER
    assert gone.bundle.is_file()
    assert done.restored == ()


def test_an_earlier_submission_is_in_force_again_where_the_later_one_is_removed(
    board: Path, bundles: Path, add: Callable[..., object]
) -> None:
    later = add(board, bundles / "better.zip", LATER).submission
    done = remove_submission(board, later.id, "a mistake")
    assert [each.id for each in done.submissions] == [later.id]
    assert [each.method for each in done.restored] == ["mine"]
    assert states(board) == [("mine", "in force"), ("other", "in force"), ("mine", "removed")]


def test_a_method_is_removed_with_all_its_submissions(
    board: Path, bundles: Path, add: Callable[..., object]
) -> None:
    add(board, bundles / "better.zip", LATER)
    done = remove_submission(board, "mine", "withdrawn")
    assert (len(done.submissions), done.restored) == (2, ())
    with pytest.raises(RequestError, match=r"'mine' was removed on .*: withdrawn"):
        remove_submission(board, "mine", "again")


def test_removals_that_name_nothing_are_refused(board: Path) -> None:
    with pytest.raises(RequestError, match="unknown submission 'mime'; did you mean mine"):
        remove_submission(board, "mime", "why")
    with pytest.raises(RequestError, match="--reason is empty"):
        remove_submission(board, "mine", "  ")


def test_a_bundle_that_contradicts_the_board_is_refused(
    board: Path, tmp_path: Path, add: Callable[..., object]
) -> None:
    """Another grid has another result of the very same run."""
    other = {"changes": {"metrics": {}, "status": "failed", "error": {"class": "E", "message": ""}}}
    add(board, submission(tmp_path / "failed.zip", track="a-1", **other))
    contradicting = submission(tmp_path / "twice.zip", track="b-1", skill=3.0)
    with pytest.raises(RecordError, match=r"contradicts the board, .*\n  mine on nodule-mal"):
        add(board, contradicting)


CODE = """
import os, signal, sys
from pathlib import Path
from crossbench.hosting import changes
from crossbench.hosting.log import LOG

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

changes._append = die
changes.add_bundle(Path(sys.argv[1]), Path(sys.argv[2]), faults=lambda _: ())
"""


def test_a_process_that_is_killed_leaves_the_old_state(
    board: Path, bundles: Path, add: Callable[..., object]
) -> None:
    bundle = bundles / "better.zip"
    before = states(board)
    command = [sys.executable, "-c", CODE, str(board), str(bundle)]
    done = subprocess.run(command, env=os.environ, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert states(board) == before
    assert len(results_folders(board)) == 1
    assert add(board, bundle).superseded
