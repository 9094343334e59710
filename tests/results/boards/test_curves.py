"""Learning curves of hand-made records: lines, points, names and the table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from scipy import stats

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.curves import Curves, curve_table, learning_curves
from crossbench.results.boards.table import Cell, Table

SPLIT = {"scheme": "standard", "folds": 5, "seeds": [43], "run_folds": []}
NOISE = (0.00, 0.02, -0.01, 0.01, -0.02)
LABELLED = {16: (12, 2), 64: (50, 13), None: (160, 40)}


@pytest.fixture
def runs(record: Any) -> Callable[..., list[Any]]:
    """The folds of one point: a method's runs from an init under a bound on labelled samples."""

    def make(
        method: str,
        init: str,
        limit: int | None,
        score: float = 0.5,
        folds: int = 5,
        **more: Any,
    ) -> list[Any]:
        train, val = LABELLED[limit]
        bound = {} if limit is None else {"max_labelled": limit}
        fields: dict[str, Any] = {"provenance": {"split": SPLIT | bound}}
        if method != "majority":
            fields |= {"init": init, "protocol": "linear-probe"}
        return [
            record(
                method,
                fold=fold,
                score=score + NOISE[fold],
                counts={"train": train, "val": val, "test": 50},
                **fields | more,
            )
            for fold in range(folds)
        ]

    return make


@pytest.fixture
def curves(runs: Any, frame: Any) -> Callable[..., Curves]:
    """The only curves of some records."""

    def of(*made: list[Any]) -> Curves:
        (found,) = learning_curves(split_boards(frame(*(run for part in made for run in part))))
        return found

    return of


def cells(table: Table, row: str) -> dict[str, Cell]:
    index = [header.text for header in table.rows].index(row)
    return dict(zip([column.text for column in table.columns], table.cells[index], strict=True))


def test_a_line_for_each_method_and_init_and_a_point_for_each_number(
    runs: Any, curves: Any
) -> None:
    found = curves(
        *(runs("conv3d", "in1k", limit, 0.6) for limit in (64, 16, None)),
        *(runs("acs", "in1k", limit, 0.7) for limit in (16, None)),
        *(runs("acs", "random", limit) for limit in (16, None)),
        *(runs("majority", "none", limit, 0.3) for limit in (16, None)),
    )
    assert found.title == (
        "Labelled samples and score on blood · real data · preset standard · linear-probe"
    )
    assert (found.task, found.protocol, found.metric) == (
        "blood",
        "linear-probe",
        "balanced_accuracy",
    )
    assert [(line.name, line.plain) for line in found.lines] == [
        ("acs from in1k", False),
        ("acs from random", False),
        ("conv3d from in1k", False),
        ("majority", True),
    ]
    assert [[point.limit for point in line.points] for line in found.lines] == [
        [16, None],
        [16, None],
        [16, 64, None],
        [16, None],
    ]
    assert [point.labelled for point in found.lines[2].points] == [14, 63, 200]


def test_a_score_is_the_mean_of_its_runs_with_its_corrected_interval(
    runs: Any, curves: Any
) -> None:
    found = curves(runs("acs", "in1k", 16, 0.6), runs("acs", "in1k", None, 0.7, folds=1))
    few, every = found.lines[0].points
    error = math.sqrt(sum(each**2 for each in NOISE) / 4 * (1 / 5 + 1 / 4))
    reach = stats.t.ppf(0.975, 4) * error
    assert few.score.value == pytest.approx(0.6)
    assert (few.score.low, few.score.high) == (
        pytest.approx(0.6 - reach),
        pytest.approx(0.6 + reach),
    )
    assert (every.score.value, every.score.low, every.score.high) == (
        pytest.approx(0.7),
        None,
        None,
    )
    assert (few.runs, every.runs) == (5, 1)


@pytest.mark.parametrize("limits", [(16,), (None,)])
def test_one_number_of_labelled_samples_is_no_curve(
    runs: Any, frame: Any, limits: tuple[int | None, ...]
) -> None:
    made = [
        run for limit in limits for init in ("in1k", "random") for run in runs("acs", init, limit)
    ]
    assert learning_curves(split_boards(frame(*made))) == []


def test_splits_that_differ_otherwise_are_on_no_common_curve(runs: Any, frame: Any) -> None:
    other = {"provenance": {"split": SPLIT | {"folds": 4}}}
    made = [*runs("acs", "in1k", 16), *runs("acs", "in1k", None, folds=4, **other)]
    assert learning_curves(split_boards(frame(*made))) == []


def test_tasks_and_protocols_have_curves_of_their_own(runs: Any, frame: Any) -> None:
    made = [
        run
        for task in ("derma", "blood")
        for protocol in ("linear-probe", "finetune")
        for limit in (16, None)
        for run in runs("acs", "in1k", limit, task=task, protocol=protocol)
    ]
    found = learning_curves(split_boards(frame(*made)))
    assert sorted((each.protocol, each.task) for each in found) == [
        ("finetune", "blood"),
        ("finetune", "derma"),
        ("linear-probe", "blood"),
        ("linear-probe", "derma"),
    ]


def test_failed_and_undefined_runs_are_no_points(
    runs: Any, curves: Any, failure: Any, record: Any
) -> None:
    lost = [
        failure(
            "acs", fold=fold, init="random", protocol="linear-probe", provenance={"split": SPLIT}
        )
        for fold in range(5)
    ]
    part = runs("acs", "in1k", 16)
    part[0] = record(
        "acs",
        fold=0,
        score=None,
        init="in1k",
        protocol="linear-probe",
        counts={"train": 12, "val": 2},
        provenance={"split": SPLIT | {"max_labelled": 16}},
    )
    found = curves(part, runs("acs", "in1k", None), lost)
    (line,) = found.lines
    assert line.name == "acs from in1k"
    assert [point.runs for point in line.points] == [4, 5]
    assert line.points[0].score.value == pytest.approx(0.5 + sum(NOISE[1:]) / 4)


def test_names_say_of_backbone_and_settings_what_differs(runs: Any, curves: Any) -> None:
    def settings(size: int | None) -> dict[str, Any]:
        fed = {"scaling": "train"} | ({} if size is None else {"min_size": size})
        return {"settings": {"input": fed, "drop_keys": []}}

    found = curves(
        *(runs("acs", "in1k", limit, **settings(64)) for limit in (16, None)),
        *(runs("acs", "random", limit, **settings(None)) for limit in (16, None)),
        *(
            runs("i3resnet", "astra", limit, backbone="resnet152", **settings(None))
            for limit in (16, None)
        ),
    )
    assert [line.name for line in found.lines] == [
        "acs from in1k, resnet18, input.min_size=64",
        "acs from random, resnet18",
        "i3resnet from astra, resnet152",
    ]


def test_one_draw_of_random_weights_is_told_of_the_line(runs: Any, curves: Any) -> None:
    found = curves(*(runs("acs", init, n) for init in ("random", "in1k") for n in (16, None)))
    assert [(line.name, line.one_draw) for line in found.lines] == [
        ("acs from in1k", False),
        ("acs from random", True),
    ]
    notes = curve_table(found).notes
    assert "One draw of random weights a point: acs from random." in notes
    assert not any("One draw" in note for note in curve_table(_trained(runs, curves)).notes)


def _trained(runs: Any, curves: Any) -> Curves:
    """Random weights that are drawn for every fold."""
    found: Curves = curves(*(runs("acs", "random", n, protocol="finetune") for n in (16, None)))
    return found


def test_the_table_has_a_row_a_line_and_a_column_a_number(runs: Any, curves: Any) -> None:
    table = curve_table(
        curves(
            *(runs("acs", "in1k", limit, 0.6) for limit in (16, None)),
            *(runs("conv3d", "in1k", limit, 0.7, folds=3) for limit in (16, 64, None)),
        )
    )
    assert table.title.startswith("Labelled samples and score on blood")
    assert table.subtitle == ("Balanced accuracy by number of labelled samples, means over 5 runs")
    assert table.axes == ("method, from", "labelled")
    assert [header.label for header in table.columns] == ["16", "64", "200 (all)"]
    assert [header.text for header in table.rows] == ["acs from in1k", "conv3d from in1k"]
    full, part = cells(table, "acs from in1k"), cells(table, "conv3d from in1k")
    margin = stats.t.ppf(0.975, 4) * math.sqrt(0.00025 * 0.45)
    assert full["16"].text == f"0.600 ({0.6 - margin:.2f} to {0.6 + margin:.2f})"
    assert (full["16"].count, full["16"].complete, full["16"].detail) == (5, True, "")
    assert (full["16"].low, full["16"].high) == (
        pytest.approx(0.6 - margin),
        pytest.approx(0.6 + margin),
    )
    assert full["64"].value is None
    assert (part["64"].count, part["64"].complete, part["64"].detail) == (3, False, "3/5 runs")


def test_a_single_run_has_no_interval_in_the_table(runs: Any, curves: Any) -> None:
    table = curve_table(curves(*(runs("acs", "in1k", n, 0.6, folds=1) for n in (16, None))))
    cell = cells(table, "acs from in1k")["16"]
    assert (cell.text, cell.low, cell.high) == ("0.600", None, None)
