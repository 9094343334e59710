"""Networks fitted on one task and tested on another: from the request to boards and bundles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import crossbench
from crossbench.api import prepare
from crossbench.cli import main
from crossbench.data.inputs import kind_of
from crossbench.errors import DataError, RequestError
from crossbench.registry.tasks import find_task
from crossbench.results.boards.boards import split_boards
from crossbench.results.records.reproduce import left_to_add, run_command
from crossbench.results.records.store import Store, read_predictions
from crossbench.results.report.report import report
from crossbench.submissions.recomputation import recompute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

QUICK = {"backbone": "test_resnet", "settings": ["fit.epochs=1", "compute.threads=1"]}


def pictures(seed: int, *, told: bool = True) -> dict[str, NDArray[Any]]:
    """60 pictures, two of a patient, in which a bright square tells the class, or a coin does."""
    random = np.random.default_rng(seed)
    labels = np.arange(60) // 2 % 2
    images = random.integers(0, 90, (60, 18, 18)).astype(np.uint8)
    images[(labels if told else random.integers(0, 2, 60)) == 1, 4:12, 4:12] += 90
    return {"images": images, "labels": labels, "groups": np.arange(60) // 2}


@pytest.fixture
def run(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., pd.DataFrame]:
    """Test on one site what is fitted on another, each a task of pictures."""

    def call(*, told: bool = True, **options: Any) -> pd.DataFrame:
        tested = make_task("here", 2, **pictures(1, told=told))
        fitted = make_task("there", 2, **pictures(2))
        asked = {"seeds": [43], "data_dir": tmp_path, "out": tmp_path / "out", **QUICK}
        return crossbench.run("conv2d", str(tested), train_task=str(fitted), **asked | options)

    return call


def scores(frame: pd.DataFrame, method: str) -> list[float]:
    return frame.loc[frame["method"] == method, "balanced_accuracy"].tolist()


def test_a_signal_that_two_sites_share_carries_over_and_none_is_made_up(
    run: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    shared = run(protocol="linear-probe")
    assert shared["status"].eq("ok").all()
    assert min(scores(shared, "logistic")) > 0.9
    assert np.mean(scores(shared, "conv2d")) > 0.8
    assert set(scores(shared, "majority")) == {0.5}
    lacking = run(told=False, protocol="linear-probe", out=tmp_path / "lacking")
    assert abs(np.mean(scores(lacking, "logistic")) - 0.5) < 3 * 0.5 / 60**0.5


def test_runs_test_the_folds_of_those_that_are_fitted_on_the_task_itself(
    run: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    run()
    crossbench.run(
        "conv2d",
        str(tmp_path / "here.toml"),
        seeds=[43],
        data_dir=tmp_path,
        out=tmp_path / "own",
        **QUICK,
    )
    tested = [
        {
            (each.record.key.method, each.record.key.fold): read_predictions(each.path)
            for each in Store(tmp_path / folder).scan()
        }
        for folder in ("out", "own")
    ]
    assert tested[0].keys() == tested[1].keys()
    for place, predictions in tested[0].items():
        assert np.array_equal(predictions.index, tested[1][place].index)
        assert np.array_equal(predictions.label, tested[1][place].label)
    records = [*Store(tmp_path / "out").records()]
    assert {record.key.task for record in records} == {"here.from.there"}
    assert {record.counts["train"] + record.counts["val"] for record in records} == {60}
    assert all(record.grouped for record in records)


def test_runs_that_are_there_are_not_made_again_and_follow_either_file(
    run: Callable[..., pd.DataFrame], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    run(folds=[0])

    def todo() -> int:
        return len(
            prepare(
                "conv2d", str(tmp_path / "here.toml"), train_task=str(tmp_path / "there.toml"),
                store=Store(tmp_path / "out"), seeds=[43], folds=[0], data_dir=tmp_path, **QUICK,
            ).todo
        )  # fmt: skip

    assert todo() == 0
    make_task("there", 2, **pictures(3))
    assert todo() == 3


def test_boards_say_what_was_fitted_and_hold_no_other_runs(
    run: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    run()
    own = {"seeds": [43], "data_dir": tmp_path, "out": tmp_path / "out", **QUICK}
    crossbench.run("conv2d", str(tmp_path / "here.toml"), **own)
    frame = crossbench.load_results(tmp_path / "out")
    alone, crossed = sorted(split_boards(frame), key=lambda board: len(board.title))
    assert alone.title.startswith("2D tasks · real data")
    assert crossed.title.startswith("2D tasks fitted on there · real data")
    assert (alone.tasks, crossed.tasks) == (["here"], ["here.from.there"])
    assert crossed.plain == ["majority", "logistic"]
    assert "2D tasks fitted on there" in report([tmp_path / "out"], "markdown")
    assert main(["validate", str(tmp_path / "out")]) == 0
    assert main(["report", str(tmp_path / "out"), "--task", "here.from.there"]) == 0
    record = next(iter(Store(tmp_path / "out").records()))
    assert record.key.task == "here.from.there"
    assert " --task ./here.toml --train-task ./there.toml " in run_command(record, "out")
    missing = [
        f"No card of {name} is registered here: give the path of its file."
        for name in ("here", "there")
    ]
    assert left_to_add(record)[:2] == missing


def test_samples_of_one_file_are_told_whatever_they_are_called(
    run: Callable[..., pd.DataFrame], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    tested, fitted = (str(make_task(name, 2, **pictures(1))) for name in ("here", "there"))
    message = "'here.from.there': 30 of the 30 groups to test are among those to fit; take a train"
    with pytest.raises(RequestError, match=message):
        prepare(
            "conv2d", tested, train_task=fitted, store=Store(tmp_path / "out"), data_dir=tmp_path
        )


def test_pictures_of_another_size_are_refused(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    larger = pictures(2)
    larger["images"] = np.pad(larger["images"], [(0, 0), (1, 1), (1, 1)])
    tested, fitted = make_task("here", 2, **pictures(1)), make_task("there", 2, **larger)
    with pytest.raises(DataError, match=r"\(1, 18, 18\), and those to fit uint8 of shape \(1, 20,"):
        prepare(
            "conv2d",
            str(tested),
            train_task=str(fitted),
            store=Store(tmp_path / "out"),
            data_dir=tmp_path,
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "blood", "--train-task", "blod"], "unknown task 'blod'; did you mean blood"),
        (["--task", "blood", "--train-task", "blood"], "leave it out, or name another task"),
        (["--task", "blood", "--train-task", "derma"], "name a task of the same classes in the"),
        (
            ["--task", "nodule-malignancy-3d", "--train-task", "nodule-malignancy-inverted-3d"],
            "are of one cohort, 'lidc-idri'",
        ),
        (["--train-task", "blood"], "train_task (='blood') is for tasks of its classes, not for"),
    ],
)
def test_what_cannot_be_fitted_on_is_refused_at_once(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 2
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------------------------- recordings

NAMES = ("phantom-both", "phantom-none", "phantom-connectivity")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder of three registered tasks, 120 drawn recordings each."""
    for name in NAMES:
        card = find_task(name)
        np.savez(tmp_path / f"{name}.npz", **kind_of(card).phantom(card))
    return tmp_path


def words(folder: Path, task: str) -> list[str]:
    asked = f"run --task {task} --train-task phantom-connectivity --method fc-cnn --preset fusion"
    asked += " --backbone test_resnet --seeds 43 --set fit.epochs=1 --set compute.threads=1"
    return [*asked.split(), "--data-dir", str(folder), "--out", str(folder / task)]


def test_recordings_of_another_task_are_fitted_and_their_records_hold(folder: Path) -> None:
    margin = 3 * 0.5 / 120**0.5
    for task, low, high in (("phantom-both", 0.7, 1), ("phantom-none", 0.5 - margin, 0.5 + margin)):
        assert main(words(folder, task)) == 0
        frame = crossbench.load_results(folder / task)
        assert frame["fitted_on"].eq("phantom-connectivity").all()
        assert low <= np.mean(scores(frame, "logistic")) <= high
        assert {"majority", "logistic", "fc-cnn"} == set(frame["method"])
    results = folder / "phantom-both"
    found = [*Store(results).scan()]
    held = recompute(found, folder)
    assert (held.held, held.findings, held.notes) == (len(found), [], [])
    bundle = folder / "bundle.zip"
    submitted = ["submit", str(results), "--method", "fc-cnn", "--no-check", "--authors", "A"]
    assert main([*submitted, "--licence", "MIT", "--out", str(bundle)]) == 0
    assert main(["validate", str(bundle), "--data-dir", str(folder)]) == 0
