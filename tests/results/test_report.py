from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossbench.errors import RecordError, RequestError
from crossbench.results.report import report
from crossbench.results.store import Store


@pytest.fixture
def results(tmp_path: Path, scored: Any, failure: Any) -> Path:
    """Two methods and a baseline on a real task, one failure, a phantom, a broken file."""
    store = Store(tmp_path / "results")
    for fold in range(2):
        for method in ("conv2d", "crossd", "majority"):
            store.write(*scored(method, fold=fold, seed=fold))
    store.write(failure("crossd", "derma"), None)
    store.write(*scored(source="phantom", preset="smoke"))
    (store.root / "notes.json").write_text("{}")
    return store.root


def test_a_report_has_boards_then_failures_then_broken_files(results: Path) -> None:
    titles = [table["title"] for table in json.loads(report([results], "json"))["tables"]]
    assert [title.partition(" · ")[0] for title in titles] == [
        "2D tasks",
        "2D tasks",
        "Runs without a result",
        "Files that are no valid records",
    ]
    assert "real data" in titles[0]
    assert "phantom data" in titles[1]


def test_a_report_for_people(results: Path) -> None:
    text = report([results], width=100)
    for part in (
        "untrained backbone",
        "PHANTOM DATA",
        "failed (1)",
        "RuntimeError: out of memory",
        "no run record",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_report_on_one_task(results: Path) -> None:
    tables = json.loads(report([results], "json", task="blood"))["tables"]
    assert [table["title"].partition(" · ")[0] for table in tables] == [
        "blood",
        "blood",
        "Files that are no valid records",
    ]
    with pytest.raises(RequestError, match="unknown task 'blod'; did you mean blood"):
        report([results], task="blod")


def test_folders_are_reported_together(results: Path, tmp_path: Path, scored: Any) -> None:
    Store(tmp_path / "more").write(*scored("acs", fold=0))
    tables = json.loads(report([results, tmp_path / "more"], "json"))["tables"]
    assert "acs" in [row["text"] for row in tables[0]["rows"]]


def test_what_cannot_be_reported_is_an_error(results: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"results folder '.*gone' does not exist"):
        report([tmp_path / "gone"])
    with pytest.raises(RequestError, match="unknown format 'pdf'"):
        report([results], "pdf")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.json").write_text("{}")
    with pytest.raises(RecordError, match="none of 1 files is a valid record"):
        report([broken])
