from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from crossbench.cli import main
from crossbench.errors import RecordError, RequestError
from crossbench.results.records.benches import BenchRecord, Measurement, write_bench
from crossbench.results.records.store import Store
from crossbench.results.report.report import report


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


def test_a_report_by_another_metric_ranks_anew(
    tmp_path: Path, record: Any, predictions: Any
) -> None:
    store = Store(tmp_path / "results")
    better = {"acs": {"accuracy": 0.9, "f1": 0.2}, "crossd": {"accuracy": 0.3, "f1": 0.8}}
    for task, metric in (("blood", "accuracy"), ("derma", "f1")):
        for method, metrics in better.items():
            store.write(record(method, task, metrics=metrics, metric=metric), predictions())

    def boards(metric: str | None) -> list[Any]:
        return json.loads(report([store.root], "json", metric=metric))["tables"]

    for metric, first in (("accuracy", "acs"), ("f1", "crossd")):
        (board,) = boards(metric)
        assert board["rows"][0]["text"] == first
        assert board["rows"][0]["cells"]["derma"]["best"]
        assert {column["metric"] for column in board["columns"]} >= {metric}
    assert any(
        "several main metrics (Accuracy, Macro F1)" in note for note in boards(None)[0]["notes"]
    )
    (asked,) = boards("log_loss")
    assert "Log loss was asked for; declared as main metric: Accuracy, Macro F1." in asked["notes"]


def test_an_unknown_metric_or_one_beside_a_task_is_refused(results: Path) -> None:
    with pytest.raises(RequestError, match="unknown metric 'aurok'; did you mean auroc"):
        report([results], metric="aurok")
    with pytest.raises(RequestError, match="--task blood shows every metric, 'f1' among them"):
        report([results], task="blood", metric="f1")


def test_tasks_stand_in_the_groups_of_their_cards(tmp_path: Path, scored: Any) -> None:
    store = Store(tmp_path / "results")
    for task in ("blood", "derma", "organc", "organs", "no-such-task"):
        store.write(*scored("crossd", task))
    (table,) = json.loads(report([store.root], "json"))["tables"]
    assert [column["text"] for column in table["columns"]] == [
        "organc",
        "organs",
        "average 2D radiology",
        "blood",
        "derma",
        "average other 2D",
        "no-such-task",
        "average",
    ]


def test_the_papers_tables_follow_when_asked_for(results: Path) -> None:
    tables = json.loads(report([results], "json", published=True))["tables"]
    reported = [table["title"].startswith("Reported: ") for table in tables]
    assert reported == [False] * 4 + [True] * 6
    for table in tables[:4]:
        assert not any("init rin" in row["text"] for row in table["rows"])


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_a_whole_report_compiles(results: Path, tmp_path: Path) -> None:
    body = report([results], "latex", published=True)
    head = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n"
    (tmp_path / "report.tex").write_text(f"{head}{body}\n\\end{{document}}\n")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "report.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def make_bench() -> BenchRecord:
    return BenchRecord(
        kind="ops",
        workload="forward",
        case="layer",
        dimension=2,
        shape=(8, 64, 128, 128),
        batch=8,
        settings={},
        device="cpu",
        dtype="float32",
        threads=1,
        baseline="conv2d",
        measurements=(Measurement(method="conv2d", status="ok", seconds=(0.1, 0.2)),),
    )


def test_runtimes_stand_between_boards_and_failures(results: Path) -> None:
    write_bench(results, make_bench())
    titles = [table["title"] for table in json.loads(report([results], "json"))["tables"]]
    place = next(number for number, title in enumerate(titles) if title.startswith("Runtime"))
    assert titles[place - 1].startswith("2D tasks")
    assert "Runs without a result" in titles[place + 1 :]


def test_a_folder_may_hold_runtimes_alone(results: Path, tmp_path: Path) -> None:
    write_bench(tmp_path / "bench", make_bench())
    (first, *_) = json.loads(report([tmp_path / "bench"], "json"))["tables"]
    assert first["title"].startswith("Runtime of one layer")
    both = json.loads(report([tmp_path / "bench", results], "json"))["tables"]
    assert both[0]["title"].startswith("2D tasks")
    assert first in both


def test_the_command_writes_one_page(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(results), "--html", "--published"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("<!DOCTYPE html>")
    assert printed.rstrip().endswith("</html>")
    assert main(["report", str(results), "--format", "html", "--published"]) == 0
    assert capsys.readouterr().out == printed


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


def test_one_board_alone(results: Path) -> None:
    (table,) = json.loads(report([results], "json", board=2))["tables"]
    assert "phantom data" in table["title"]


def test_a_board_that_is_not_there_is_refused_with_those_that_are(results: Path) -> None:
    message = r"--board 3: there is none; the boards are: 1 2D tasks, .*; 2 Phantoms of 2D tasks, "
    with pytest.raises(RequestError, match=message):
        report([results], board=3)
    with pytest.raises(RequestError, match="shows its part of every board; leave out --board"):
        report([results], task="blood", board=1)


def test_figures_are_written_beside_the_report(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "figures"
    assert main(["report", str(results), "--board", "1", "--figures", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("2D tasks")
    assert err == f"{len(list(folder.iterdir()))} files written to {folder}\n"
