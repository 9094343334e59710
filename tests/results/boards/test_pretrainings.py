"""Pretraining records: kept whole, read strictly, shown in the form of Table I."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossbench.errors import RecordError, RequestError
from crossbench.results.boards.pretrainings import pretrain_tables
from crossbench.results.boards.table import Table
from crossbench.results.records.pretrainings import (
    PretrainRecord,
    read_pretraining,
    read_pretrainings,
    write_pretraining,
)
from crossbench.results.records.store import Store
from crossbench.results.report.render import render
from crossbench.results.report.report import report


def make(**changes: Any) -> PretrainRecord:
    """A record of a network that is right half of the time."""
    names = ("precision", "recall", "f1", "balanced_accuracy", "accuracy")
    fields: dict[str, Any] = {
        "identity": "ab" * 32,
        "recipe": "cd" * 32,
        "data": "images",
        "source": "folder",
        "layers": "conv2d",
        "backbone": "resnet18",
        "seed": 43,
        "fold": 0,
        "num_classes": 2,
        "counts": {"train": 12, "val": 4},
        "settings": {"epochs": 90},
        "world_size": 1,
        "selected_epoch": 90,
        "curve": ({"epoch": 1, "train_loss": 0.5},),
        "throughput": 1200.0,
        "metrics": dict.fromkeys(names, 0.5),
        "undefined": {},
        "parameters": 1000,
        "checkpoint": "seed43-fold0.safetensors",
        "checkpoint_sha256": "ef" * 32,
    }
    return PretrainRecord(**fields | changes)


def write(root: Path, *records: PretrainRecord) -> Path:
    for number, record in enumerate(records):
        write_pretraining(root / "pretrain" / f"{number}.pretrain.json", record)
    return root


def rows_of(table: Table) -> dict[str, list[str]]:
    return {
        row.text: [cell.text for cell in cells]
        for row, cells in zip(table.rows, table.cells, strict=True)
    }


# ------------------------------------------------------------------------------------ files


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = make(unreadable={"train": ("dark/1.png",)}, warnings=("beware",))
    found, broken = read_pretrainings([write(tmp_path, record)])
    assert [each.record for each in found] == [record]
    assert broken == []
    assert not Store(tmp_path).files()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "43"}, "key 'seed' is '43'; it must be a whole number"),
        ({"surprise": 1}, "unknown key 'surprise'"),
        ({"schema_version": 2}, "schema version 2 is unknown"),
        ({"source": "web"}, "key 'source' is 'web'; it must be one of 'folder', 'real'"),
    ],
)
def test_a_record_is_read_strictly(tmp_path: Path, change: Any, message: str) -> None:
    write(tmp_path, make())
    (path,) = tmp_path.rglob("*.pretrain.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RecordError, match=message):
        read_pretraining(path)
    found, broken = read_pretrainings([tmp_path])
    assert found == []
    assert [each.path for each in broken] == [path]


def test_what_json_cannot_hold_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"pretraining record 0\.pretrain\.json: cannot be"):
        write(tmp_path, make(throughput=float("nan")))
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written"):
        write_pretraining(tmp_path / "file" / "x.pretrain.json", make())


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"results folder .*nothing.* does not exist"):
        read_pretrainings([tmp_path / "nothing"])


# ------------------------------------------------------------------------------------ table


def test_without_records_there_is_no_table() -> None:
    assert pretrain_tables([]) == []


def test_networks_of_one_recipe_share_a_row(tmp_path: Path) -> None:
    better = dict.fromkeys(make().metrics, 0.7)
    records = (
        make(),
        make(fold=1, metrics=better, throughput=800.0),
        make(layers="crossd", recipe="01" * 32),
    )
    (table,) = pretrain_tables(read_pretrainings([write(tmp_path, *records)])[0])
    rows = rows_of(table)
    assert rows["conv2d on images"] == ["0.6000 ± 0.1000"] * 5 + ["1,000"]
    assert rows["crossd on images"] == ["0.5000"] * 5 + ["1,200"]
    assert "resnet18, 90 epochs, 2 networks, recipe cdcdcdcd" in table.rows[0].detail


def test_the_papers_rows_stand_beside_as_reported(tmp_path: Path) -> None:
    (table,) = pretrain_tables(read_pretrainings([write(tmp_path, make())])[0])
    reported = [row for row in table.rows if row.aside]
    assert [row.text for row in reported] == [
        "conv2d on in1k",
        "crossd on in1k",
        "conv2d on rin",
        "crossd on rin",
    ]
    assert all(row.detail.startswith("reported, arXiv") for row in reported)
    assert rows_of(table)["crossd on rin"] == [
        "0.5891",
        "0.5228",
        "0.5471",
        "0.5228",
        "0.8374",
        "–",
    ]
    assert not any(cell.best for row in table.cells for cell in row)


def test_phantoms_and_undefined_figures_are_shown_as_such(tmp_path: Path) -> None:
    record = make(source="phantom", metrics=make().metrics | {"f1": None})
    (table,) = pretrain_tables(read_pretrainings([write(tmp_path, record)])[0])
    assert table.rows[0].detail.startswith("PHANTOM DATA")
    assert rows_of(table)["conv2d on images"][2] == "–"


def test_a_report_shows_pretraining_with_and_without_runs(tmp_path: Path, scored: Any) -> None:
    alone = write(tmp_path / "alone", make())
    assert report([alone]).startswith("Pretraining")
    Store(tmp_path / "runs").write(*scored("crossd"))
    titles = [
        table["title"].partition(" · ")[0]
        for table in json.loads(report([alone, tmp_path / "runs"], "json"))["tables"]
    ]
    assert titles == ["2D tasks", "Pretraining"]
    (alone / "bad.pretrain.json").write_text("{}")
    assert "no pretraining record" in report([alone])


def test_every_format_renders_the_table(tmp_path: Path) -> None:
    tables = pretrain_tables(read_pretrainings([write(tmp_path, make())])[0])
    for form in ("table", "markdown", "csv", "html", "latex", "json"):
        assert "conv2d on images" in render(tables, form)


def test_a_mean_over_fewer_classes_is_marked(tmp_path: Path) -> None:
    reason = {"f1": "class 2: absent from the labels"}
    found, _ = read_pretrainings([write(tmp_path, make(), make(fold=1, partial=reason))])
    (table,) = pretrain_tables(found)
    marks = [cell.mark for cell in table.cells[0]]
    assert marks == ["", "", "§", "", "", ""]
    assert any(note.startswith("§") for note in table.notes)
    (clean,) = pretrain_tables(found[:1])
    assert not any(note.startswith("§") for note in clean.notes)
