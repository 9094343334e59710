"""A hosted board in the dashboard: submissions in force, superseded and removed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_boards import submission
from streamlit.testing.v1 import AppTest

import crossbench_leaderboard
from crossbench.hosting.changes import add_bundle, new_board, remove_submission
from crossbench.hosting.folder import BoardSettings
from crossbench.specs.conformance import Check, ConformanceReport, Kernel
from crossbench_leaderboard.state import load, out_folder

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]
APP = Path(crossbench_leaderboard.__file__).parent / "app.py"

HOSTILE = "<img src=x onerror=alert(1)> :red[*A. Author*]"
REPORT = ConformanceReport(
    method="mine",
    sha256="0" * 64,
    checks=(
        Check(name="shapes", status="pass", demand="as Conv3d's", cases=4),
        Check(name="determinism", status="fail", tolerance="equal", example=HOSTILE),
    ),
    kernels=(Kernel(channels=(0,), plane=((1.0,),), volume=(((0.25,),), ((0.75,),))),),
)


def accept(folder: Path, bundle: Path) -> None:
    """Put a bundle on the board whose validity is not in question here."""
    add_bundle(folder, bundle, faults=lambda _: ())


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A method submitted twice, one with a hostile author, and one that was removed."""
    root = tmp_path_factory.mktemp("hosted")
    folder = root / "board"
    new_board(folder, BoardSettings(title="*Nodules*", description="Of the <b>challenge</b>."))
    first, second = root / "first.zip", root / "second.zip"
    accept(folder, submission(first, skill=1.0, authors=(HOSTILE,)))
    report = json.dumps(REPORT.to_mapping()).encode()
    contents = {"conformance.json": report}
    accept(folder, submission(second, skill=2.0, authors=(HOSTILE,), contents=contents, note="v2"))
    accept(folder, submission(root / "gone.zip", "gone", skill=1.5))
    remove_submission(folder, "gone", f"copied {HOSTILE}")
    return folder


def submissions(page: AppTest) -> Any:
    return next(each.value for each in page.dataframe if "Submission" in each.value)


def test_submissions_in_force_make_the_standings(
    board: Path, open_view: Open, words: Words
) -> None:
    page = open_view("leaderboard", board)
    assert page.title[0].value == r"\*Nodules\*"
    assert "Of the <b>challenge</b>." in [each.value for each in page.text]
    counts = {each.label: each.value for each in page.metric}
    assert (counts["Methods"], counts["Tasks"], counts["Runs"]) == ("1", "2", "8")
    table = submissions(page)
    assert list(table["Method"]) == ["mine", "mine", "gone"]
    superseded, in_force, removed = table["State"]
    assert superseded == f"superseded on {table['Accepted'][1]} by {table['Submission'][1]}"
    assert in_force == "in force"
    assert removed.startswith("removed on ")
    assert removed.endswith(f": copied {HOSTILE}")
    assert list(table["Authors"]) == [HOSTILE, HOSTILE, "A. Author"]
    assert HOSTILE not in "".join(str(each.value) for each in [*page.markdown, *page.caption])


def test_a_method_has_its_bundles_and_its_conformance(
    board: Path, open_view: Open, words: Words
) -> None:
    page = open_view("method", board)
    said = words(page)
    assert page.selectbox(key="method").options == ["mine"]
    assert ", in force" in said
    assert ", superseded on " in said
    assert said.count(f"Authors: {HOSTILE}\nLicence: MIT") == 3  # of the method and its bundles
    assert "Note: v2" in said
    assert "The bundle holds no report of a conformance check." in said
    assert "1 passed" in page.error[0].value
    assert "1 failed" in page.error[0].value
    checks = next(each.value for each in page.dataframe if "Check" in each.value)
    assert list(checks["Check"]) == ["determinism", "shapes"]  # what fails comes first
    assert checks["Detail"][0] == HOSTILE
    assert "**The kernel of mine from 2D to 3D**" in said
    offered = [each.proto.label for each in page.get("download_button")]
    assert offered.count("Download the bundle") == 2


def test_who_submitted_a_method_goes_before_who_registered_one_of_its_name(
    tmp_path: Path, open_view: Open, words: Words
) -> None:
    folder = tmp_path / "board"
    new_board(folder, BoardSettings(title="Board"))
    accept(folder, submission(tmp_path / "acs.zip", "acs", authors=("B. Other",)))
    said = words(open_view("method", folder))
    assert "Authors: B. Other\n" in said
    assert "Bingbing Ni" not in said


def test_a_bundle_that_was_changed_is_said_and_hides_nothing(
    tmp_path: Path, open_view: Open, words: Words
) -> None:
    folder = tmp_path / "board"
    new_board(folder, BoardSettings(title="Board"))
    accept(folder, submission(tmp_path / "one.zip"))
    remove_submission(folder, "mine", "a mistake")
    for bundle in (folder / "submissions").glob("*.zip"):
        bundle.write_bytes(b"PK")
    accept(folder, submission(tmp_path / "other.zip", "other"))
    page = open_view("leaderboard", folder)
    assert list(submissions(page)["Authors"]) == ["its bundle cannot be read", "A. Author"]


def test_a_board_with_nothing_in_force_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "board"
    new_board(folder, BoardSettings(title="Board"))
    accept(folder, submission(tmp_path / "one.zip"))
    remove_submission(folder, "mine", "a mistake")
    monkeypatch.setattr(sys, "argv", [str(APP), str(folder)])
    page = AppTest.from_file(APP, default_timeout=60).run()
    assert not page.exception
    assert page.title[0].value == "Board"
    assert page.info[0].value == "No submission is in force."
    assert submissions(page)["State"][0].startswith("removed on ")


def test_commands_read_what_was_unpacked_and_never_write_to_the_board(board: Path) -> None:
    results = load((board,))
    assert out_folder(results) == Path("results")
    (read,) = results.read
    assert list(read.rglob("*.npz"))
    assert board not in read.parents
