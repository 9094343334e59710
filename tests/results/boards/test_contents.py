"""Records of several contents of one task's data: told apart, said in words, never compared."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_import
import torch
from small_import import write_cells

import crossbench
from crossbench.cli import main
from crossbench.data.imported import JoinedGroups, write_groups
from crossbench.data.importers.build import Imported
from crossbench.errors import RequestError
from crossbench.files.data_root import DataRoot
from crossbench.registry.tasks import find_task
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.compare import compare_boards
from crossbench.results.boards.contents import contents_of
from crossbench.results.boards.tables import failures, leaderboards, task_tables
from crossbench.results.boards.transfer import transfers
from crossbench.results.boards.transfer_tables import gain_table
from crossbench.results.records.data_origin import origin_in_words, pinned_versions
from crossbench.results.records.loading import load_results
from crossbench.results.records.merge import merge
from crossbench.results.records.store import Store
from crossbench.results.records.validation import validate
from crossbench.results.report.render import FORMATS
from crossbench.results.report.report import report
from crossbench.runs.prediction import load_predictor

NEW, OLD = ("aaaa", "2026-02-01"), ("bbbb", "2026-01-01")
ABOUT = {
    "version": "0123456789abcdef",
    "importer": "cells",
    "origin": "lab",
    "options": {"add": 2.0, "drop": ""},
    "changed": ["add"],
    "samples": 12,
    "dropped": 3,
    "any_count": False,
}


@pytest.fixture
def on(record: Any) -> Callable[..., Any]:
    """A record on some data."""

    def make(data: tuple[str, str], method: str = "crossd", **further: Any) -> Any:
        name, started = data
        provenance = {"started": started} | further.pop("provenance", {})
        hashes = {"data": name, "method": method}
        return record(method, hashes=hashes, provenance=provenance, **further)

    return make


# ------------------------------------------------------------------------- in words


def test_every_board_says_which_data_is_in_use(frame: Any, on: Any) -> None:
    """On a board that has the older data alone, too: the table knows of newer runs."""
    origin = {"provenance": {"data": ABOUT}}
    runs = [on(OLD), on(OLD, protocol="lora"), on(NEW, **origin)]
    tables = leaderboards(split_boards(frame(*runs)))
    said = (
        "Data of blood: aaaa (imported as 0123456789abcdef (origin lab, importer cells, add = 2.0, "
        "3 samples left out)) is in use, last run 2026-02-01; superseded: bbbb, last run "
        "2026-01-01. Runs on different data are never compared or averaged."
    )
    assert [said in table.notes for table in tables] == [True, True]
    heads = [[(head.text, head.detail) for head in table.columns[:2]] for table in tables]
    old = ("blood [data bbbb]", "superseded data")
    assert heads == [[old], [("blood [data aaaa]", "data in use"), old]]
    again = (
        "All runs of blood on this board are on superseded data; to have them on the data in use"
    )
    command = f"{again}: crossbench run --task blood --method all --protocol lora."
    assert [command in table.notes for table in tables] == [True, False]


def test_data_in_use_is_counted_though_older_data_was_run_later_on_this_board(
    frame: Any, on: Any
) -> None:
    late, later = ("bbbb", "2026-03-01"), ("aaaa", "2026-04-01")
    runs = frame(on(NEW), on(late), on(later, protocol="lora"))
    board = next(each for each in split_boards(runs) if each.shared["protocol"] == "weak-probe")
    assert (board.counted, board.earlier) == (["blood [data aaaa]"], ["blood [data bbbb]"])


def test_what_is_in_use_does_not_depend_on_what_is_looked_at(frame: Any, on: Any) -> None:
    runs = frame(on(OLD), on(OLD, "acs"), on(NEW))
    (board,) = split_boards(runs[runs["method"] == "acs"], None, contents_of(runs))
    assert board.tasks == ["blood [data bbbb]"]
    assert board.runs["superseded"].all()


def test_one_content_of_an_import_is_named_too(frame: Any, on: Any) -> None:
    about = ABOUT | {"groups": {"from": "MedMNIST's index", "sha256": "00"}, "any_count": True}
    (table,) = leaderboards(split_boards(frame(on(NEW, provenance={"data": about}))))
    assert table.columns[0].text == "blood"
    assert (
        "The data of blood imported as 0123456789abcdef (origin lab, importer cells, add = 2.0, 3 "
        "samples left out, of another number than the card says); groups joined from MedMNIST's "
        "index."
    ) in table.notes


@pytest.mark.parametrize(
    "data", [None, "x", [], {"version": 3}, {"importer": 3, "options": 4, "changed": "add"}]
)
def test_strange_words_of_a_record_are_no_error(frame: Any, on: Any, data: Any) -> None:
    runs = frame(on(NEW, provenance={"data": data}))
    assert runs["data_version"].tolist() == [""]
    assert isinstance(origin_in_words({"data": data}), str)


def test_phantoms_supersede_nothing_real(frame: Any, on: Any) -> None:
    boards = split_boards(frame(on(OLD), on(NEW, source="phantom")))
    assert [board.tasks for board in boards] == [["blood"], ["blood"]]


def test_a_failed_run_says_which_data_it_was_on(frame: Any, on: Any) -> None:
    error = {"class": "RuntimeError", "message": "out of memory"}
    runs = frame(on(NEW), on(OLD, status="failed", error=error, metrics={}))
    (table,) = failures(runs)
    assert [row.text for row in table.rows] == ["crossd on blood (superseded data bbbb)"]


# ---------------------------------------------------------------------- comparisons


def test_methods_on_different_data_are_refused_by_name_with_the_remedy(frame: Any, on: Any) -> None:
    runs = [on(OLD, "acs", fold=fold) for fold in range(3)]
    runs += [on(NEW, "crossd", fold=fold) for fold in range(3)]
    said = (
        r"acs and crossd cannot be compared. blood: acs on data bbbb \(superseded\) and crossd on "
        r"data aaaa \(in use\); runs on different data are never compared. Run again: crossbench "
        "run --task blood --method acs --protocol weak-probe$"
    )
    for pair in (("acs", "crossd"), ("crossd", "acs")):
        match = said if pair[0] == "acs" else "crossd and acs cannot be compared. blood: crossd on"
        with pytest.raises(RequestError, match=match):
            compare_boards(frame(*runs), baseline=pair[0], candidate=pair[1])


def test_a_task_on_different_data_is_left_out_of_a_comparison(frame: Any, on: Any) -> None:
    runs = [on(OLD, "acs", fold=fold) for fold in range(3)]
    runs += [on(NEW, "crossd", fold=fold) for fold in range(3)]
    runs += [
        on(("cccc", "2026-01-01"), method, task="derma", fold=fold, score=0.5 + fold / 10)
        for method in ("acs", "crossd")
        for fold in range(3)
    ]
    (board,) = compare_boards(frame(*runs), baseline="acs", candidate="crossd")
    assert board.notes[0].startswith("Not compared: blood: acs on data bbbb (superseded) and")
    assert {each.task: each.verdict for each in board.comparison.tasks}["derma"] == "equivalent"


def test_pretraining_is_compared_on_one_data_alone(frame: Any, on: Any) -> None:
    """The column has one name on both boards, whichever of them has two contents."""
    scores = {"score": 0.5}
    runs = [on(OLD, fold=fold, **scores) for fold in range(3)]
    runs += [on(NEW, fold=fold, init="in1k", score=0.6 + fold / 10) for fold in range(3)]
    (table,) = [gain_table(each) for each in transfers(split_boards(frame(*runs)))]
    refused = "Not compared: weak-probe crossd: pretrained it was run on data aaaa of blood, from "
    (note,) = [each for each in table.notes if each.startswith(refused)]
    assert note.endswith(
        "random weights on bbbb; run again on the data in use: crossbench run --task blood "
        "--method crossd --protocol weak-probe."
    )
    runs += [on(NEW, fold=fold, score=0.5 + fold / 100) for fold in range(3)]
    (table,) = [gain_table(each) for each in transfers(split_boards(frame(*runs)))]
    assert table.title.startswith("What pretraining on in1k is worth on blood [data aaaa]")
    assert not any("on data" in each for each in table.notes if each.startswith("Not compared"))
    assert any(each.startswith("Data of blood: aaaa is in use") for each in table.notes)


# ------------------------------------------------------------- from import to report

CELLS = """
title = "Cells"
kind = "image"
dimension = 2
modality = "None"
classes = ["a", "b"]
licence = "CC0-1.0"
citation = "Made on the spot"
metric = "accuracy"
version = 1
group = "patient"
name = "cells"
input_size = 32

[source]
kind = "npz"
file = "cells_224.npz"

[[origins]]
kind = "manual"
name = "lab"
importer = "cells"
options = { add = 1.0 }
"""


class Lab:
    """A task whose data is imported, and the folder of results on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.out = folder, folder / "data", folder / "out"
        self.card = folder / "cells.toml"
        self.card.write_text(CELLS)
        write_cells(folder / "Doe, John 1957", samples=24)

    def data(self, **options: Any) -> Imported:
        return small_import.run(
            self.folder / "Doe, John 1957",
            self.root,
            card=find_task(str(self.card)),
            options=options,
        )

    def run(self, method: str = "crossd", **further: Any) -> None:
        crossbench.run(
            method,
            str(self.card),
            **{
                "preset": "smoke",
                "folds": [0, 1, 2],
                "settings": ["fit.epochs=1"],
                "backbone": "test_resnet",
                "data_dir": self.root,
                "out": self.out,
                "device": "cpu",
                **further,
            },
        )

    def records(self) -> Iterator[Any]:
        return (each.record for each in Store(self.out).scan())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_two_imports_are_two_versions_never_mixed(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = lab.data()
    lab.run()
    time.sleep(1)  # records tell time in seconds
    second = lab.data(drop="a_p0_00.npy", add=3.0)
    assert second.replaced == first.version
    lab.run(save_weights=True)

    data = {each.provenance["hashes"]["data"] for each in lab.records()}
    assert data == {first.content, second.content}
    in_use, older = (f"cells [data {made.content[:8]}]" for made in (second, first))
    (board,) = split_boards(load_results(lab.out))
    assert (board.counted, board.earlier) == ([in_use], [older])
    for form in FORMATS:
        text = " ".join(report([lab.out], form, width=500).split())
        for content, said in ((second, "is in use, last run"), (first, "superseded data")):
            assert content.content[:8] in text, form
            assert said in text or form == "csv", form
    notes = json.loads(report([lab.out], "json"))["tables"][0]["notes"]
    (note,) = [each for each in notes if each.startswith("Data of cells")]
    assert (
        f"imported as {second.version} (origin lab, importer cells, add = 3, drop = sha256 " in note
    )
    assert note.index(second.content[:8]) < note.index("superseded") < note.index(first.content[:8])
    rows = csv.DictReader(io.StringIO(report([lab.out], "csv")))
    details = {row["column"]: row["column_detail"] for row in rows}
    assert (details[in_use], details[older]) == ("data in use", "superseded data")
    assert len(task_tables(load_results(lab.out), "cells")) == 2

    runs = sum(1 for _ in lab.records())
    assert pinned_versions([lab.out, tmp_path / "none"]) == {
        ("cells", first.version): runs // 2,
        ("cells", second.version): runs // 2,
    }
    assert "Doe" not in "".join(path.read_text() for path in lab.out.rglob("*.json"))
    assert "a_p0_00" not in "".join(path.read_text() for path in lab.out.rglob("*.json"))

    assert validate(lab.out).findings == []
    assert merge([lab.out], tmp_path / "merged").broken == []
    merged = tmp_path / "merged"
    assert report([merged], "markdown") == report([lab.out], "markdown")
    weights = next(path for path in merged.rglob("*.safetensors"))
    (path,) = [each for each in weights.parent.glob("*.json") if each.stem in weights.name]
    predictor = load_predictor(path, device=torch.device("cpu"))
    assert len(predictor.predict(second.file).probabilities) == 23
    assert len(predictor.predict(first.file).probabilities) == 24

    words = ["data", "clean", "--data-dir", str(lab.root), "--results", str(lab.out)]
    assert main(words) == 0
    said = capsys.readouterr().err
    assert f"cells version {first.version}: {runs // 2} records in {lab.out} pinned to it" in said
    assert (first.file.exists(), second.file.exists()) == (False, True)
    second.file.with_name("current").write_text("damaged")
    assert main(words) == 0
    assert second.file.exists()


def test_the_record_says_how_the_data_was_imported_and_grouped(lab: Lab) -> None:
    made = lab.data(drop="a_p0_00.npy")
    lab.run()
    groups = np.array([str(number // 4) for number in range(23)])
    joined = JoinedGroups(
        groups=groups, content=made.content, source="/home/doe/patients of Doe.csv by column id"
    )
    write_groups(DataRoot(lab.root).groups("cells"), joined)
    time.sleep(1)
    lab.run()
    (one, two) = sorted(
        {json.dumps(each.provenance["data"]): each for each in lab.records()}, key=len
    )
    option = json.loads(one)["options"]["drop"]
    assert json.loads(one) == {
        "version": made.version,
        "importer": "cells",
        "origin": "lab",
        "options": {"add": 1.0, "drop": option},
        "changed": ["drop"],
        "samples": 23,
        "dropped": 1,
        "any_count": False,
    }
    assert option.startswith("sha256 ")
    assert json.loads(two) == json.loads(one) | {
        "groups": {"from": "a table by column id", "sha256": joined.digest}
    }
    assert "doe" not in two.lower()
    assert pinned_versions([lab.out])["cells", made.version] == sum(1 for _ in lab.records())


def test_a_published_file_leaves_no_trace_of_an_import(lab: Lab) -> None:
    file = lab.root / "cells_224.npz"
    lab.root.mkdir()
    images = np.random.default_rng(0).integers(0, 200, (24, 8, 8), np.uint8)
    np.savez(file, images=images, labels=np.arange(24) % 2)
    lab.run(folds=[0])
    assert all("data" not in each.provenance for each in lab.records())
    assert pinned_versions([lab.out]) == {}
