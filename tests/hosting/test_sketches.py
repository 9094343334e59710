"""Sketches beside accepted bundles, by which a new one is held against the board."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_boards
import pytest
from made_boards import PLAIN, run, submission

from crossbench.errors import RecordError
from crossbench.hosting.folder import open_board
from crossbench.hosting.sketches import SKETCHES, kept_sketches
from crossbench.hosting.submission import Submission

Add = Callable[..., Any]


def copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle of another method with the predictions of ``mine``."""

    def copied(method: str, *coordinates: Any, **changes: Any) -> Any:
        if method == PLAIN:
            return run(method, *coordinates, **changes)
        record, predictions = run("mine", *coordinates, **changes)
        scores = {"metrics": record.metrics, "per_class": record.per_class}
        return run(method, *coordinates, **scores)[0], predictions

    with monkeypatch.context() as patch:
        patch.setattr(made_boards, "run", copied)
        return submission(path, "copy", authors=["C. Opier"])


def test_a_copy_is_caught_without_a_look_into_accepted_bundles(
    empty: Path, bundles: Path, tmp_path: Path, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(empty, bundles / "mine.zip")

    def opened(self: Submission) -> Any:
        raise AssertionError(f"{self.bundle} was read again")

    monkeypatch.setattr(Submission, "open", opened)
    add(empty, bundles / "other.zip")
    with pytest.raises(RecordError, match=r"predictions of 4 runs are, bit for bit, those of mine"):
        add(empty, copy(tmp_path / "copy.zip", monkeypatch))
    assert [each.method for each in open_board(empty).submissions] == ["mine", "other"]


@pytest.mark.parametrize("damage", [None, "{", '{"schema_version": 1, "bundle": "0", "runs": []}'])
def test_sketches_that_are_not_those_of_the_bundle_are_made_anew(
    empty: Path,
    bundles: Path,
    tmp_path: Path,
    add: Add,
    monkeypatch: pytest.MonkeyPatch,
    damage: str | None,
) -> None:
    accepted = add(empty, bundles / "mine.zip").submission
    (file,) = empty.rglob(f"*{SKETCHES.ending}")
    before = kept_sketches(accepted)
    assert len(before) == 8  # four runs, and four of the majority class
    file.unlink()
    if damage is not None:
        file.write_text(damage)
    with pytest.raises(RecordError, match="those of mine"):
        add(empty, copy(tmp_path / "copy.zip", monkeypatch))
    assert kept_sketches(accepted) == before
    assert SKETCHES.read(file).bundle == accepted.entry.sha256
