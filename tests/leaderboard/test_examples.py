from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from crossbench.cards import load_tasks
from crossbench.evaluation.metrics import evaluate
from crossbench.results.boards import split_boards
from crossbench.results.frame import to_frame
from crossbench.results.store import Found, read_folders, read_predictions

EXAMPLES = Path(str(files("crossbench_leaderboard"))) / "examples"


@pytest.fixture(scope="module")
def found() -> list[Found]:
    kept, broken = read_folders([EXAMPLES])
    assert broken == []
    return kept


def test_the_four_methods_have_every_run_of_the_embedded_tasks(found: list[Found]) -> None:
    frame = to_frame(found)
    assert set(frame["status"]) == {"ok"}
    boards = [
        board for board in split_boards(frame) if set(board.runs["protocol"]) >= {"linear-probe"}
    ]
    embedded = {name for name, card in load_tasks().items() if card.embedded}
    assert {name for board in boards for name in board.tasks} == embedded
    assert {tuple(board.methods) for board in boards} == {
        ("conv2d", "crossd"),
        ("acs", "conv3d", "crossd"),
    }
    for board in boards:
        assert len(board.folds) == 15
        assert set(board.runs.groupby(["row", "column"]).size()) == {15}


def test_their_metrics_are_those_of_their_predictions(found: list[Found]) -> None:
    for path, record in found[::20]:
        predictions = read_predictions(path)
        scores = evaluate(predictions.label, predictions.probabilities)
        assert scores.metrics == pytest.approx(record.metrics, nan_ok=False, rel=1e-6)
        assert np.all(np.diff(predictions.index) > 0)


def test_they_name_no_path_and_no_changed_checkout(found: list[Found]) -> None:
    for path, record in found:
        assert not record.provenance["git"].get("dirty")
        assert '"/' not in path.read_text(encoding="utf-8")
