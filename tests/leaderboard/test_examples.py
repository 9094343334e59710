from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from crossbench.registry.tasks import load_tasks
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.compare import compare_boards
from crossbench.results.boards.transfer import transfers
from crossbench.results.records.files import read_predictions
from crossbench.results.records.frame import to_frame
from crossbench.results.records.pretrainings import read_pretrainings
from crossbench.results.records.store import Found, read_folders
from crossbench.transfer import COMPARED

EXAMPLES = Path(str(files("crossbench_leaderboard"))) / "examples"


@pytest.fixture(scope="module")
def found() -> list[Found]:
    kept, broken = read_folders([EXAMPLES])
    assert broken == []
    return kept


def test_the_four_methods_have_every_run_of_the_embedded_tasks(found: list[Found]) -> None:
    frame = to_frame(found)
    assert set(frame["status"]) == {"ok"}
    standard = frame[frame["preset"] == "standard"]
    boards = [
        board for board in split_boards(standard) if set(board.runs["protocol"]) >= {"linear-probe"}
    ]
    cards = load_tasks().items()
    embedded = {name for name, card in cards if card.embedded and not card.control}
    assert {name for board in boards for name in board.tasks} == embedded
    assert {tuple(board.methods) for board in boards} == {
        ("conv2d", "crossd"),
        ("acs", "conv3d", "crossd"),
    }
    for board in boards:
        assert len(board.folds) == 15
        assert set(board.runs.groupby(["row", "column"]).size()) == {15}


def test_every_protocol_was_run_from_random_and_from_pretrained_weights(
    found: list[Found],
) -> None:
    (transfer,) = transfers(split_boards(to_frame(found)))
    assert transfer.missing == ()
    assert {(gain.protocol, gain.method) for gain in transfer.gains} == {
        (protocol, method) for protocol in COMPARED for method in ("acs", "conv3d", "crossd")
    }
    for gain in transfer.gains:
        assert gain.over_random is not None
        assert gain.over_random.result.runs == 5


def test_networks_that_are_the_same_in_distribution_are_not_said_to_differ(
    found: list[Found],
) -> None:
    """From random weights 3D crossd is conv3d; a linear probe of one seed is one draw of each."""
    for board in compare_boards(to_frame(found), baseline="conv3d", candidate="crossd"):
        verdicts = {task.verdict for task in board.comparison.tasks}
        assert verdicts <= {"undecided", "no claim"}, board.title
        assert not any("crossd is worse than conv3d" in said for said in board.lines())


def test_every_fold_had_networks_of_its_own(found: list[Found]) -> None:
    pretrained, broken = read_pretrainings([EXAMPLES])
    assert broken == []
    made = {(record.layers, record.fold): record.checkpoint_sha256 for _, record in pretrained}
    assert set(made) == {(layers, fold) for layers in ("plain", "crossd") for fold in range(5)}
    for _, run in found:
        if run.key.init == "nodule-malignancy-2d":
            layers = "crossd" if run.key.method == "crossd" else "plain"
            assert run.provenance["hashes"]["weights"] == made[layers, run.key.fold]


def test_their_metrics_are_those_of_their_predictions(found: list[Found]) -> None:
    for path, record in found[::20]:
        predictions = read_predictions(path)
        assert predictions.scores().metrics == record.metrics
        assert record.sealed
        assert np.all(np.diff(predictions.index) > 0)


def test_they_name_no_path_and_no_changed_checkout(found: list[Found]) -> None:
    for path, record in found:
        assert not record.provenance["git"].get("dirty")
        assert '"/' not in path.read_text(encoding="utf-8")
