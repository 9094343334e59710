from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossbench.cli import main
from crossbench.errors import RequestError
from crossbench.results.boards.board_columns import BoardColumn, board_columns, with_columns
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.tables import leaderboard
from crossbench.results.records.store import Store
from crossbench.results.report.report import report

THEIRS = """
from crossbench.results.boards.board_columns import BoardColumn

COLUMN = BoardColumn(
    name="letters", title="letters", help="Of the name.", value=lambda board, row: float(len(row))
)
TAKEN = BoardColumn(name="runs", title="mine", help="", value=lambda board, row: None)
NOT_ONE = "letters"
"""


def install(folder: Path, **entries: str) -> None:
    """A package, as pip leaves it, that registers these columns."""
    (folder / "theirs.py").write_text(THEIRS)
    info = folder / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    lines = [f"{name} = theirs:{target}" for name, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[crossbench.columns]", *lines]))


def column_of(table: Any, title: str) -> dict[str, str]:
    place = [column.text for column in table.columns].index(title)
    return {row.text: cells[place].text for row, cells in zip(table.rows, table.cells, strict=True)}


@pytest.fixture
def board(frame: Any, record: Any, failure: Any) -> Any:
    spent = {"cost": {"gmacs": 0.25}, "parameters": {"total": 11_000_000, "trainable": 5}}
    runs = [record("acs", fold=fold, score=0.6 + fold / 10, **spent) for fold in range(2)]
    runs += [record("crossd", fold=0, score=0.5, **spent), failure("crossd", "blood", 1)]
    (board,) = split_boards(frame(*runs, record("majority", fold=0), record("majority", fold=1)))
    return board


def test_columns_are_added_to_a_table(board: Any) -> None:
    columns, faults = board_columns()
    assert faults == ()
    chosen = [columns[name] for name in ("cost-gmacs", "parameters-total", "runs")]
    table = with_columns(leaderboard(board), board, chosen)
    assert column_of(table, "GMACs a sample") == {"acs": "0.25", "crossd": "0.25", "majority": "–"}
    assert column_of(table, "finished runs") == {
        "acs": "2 of 2",
        "crossd": "1 of 2",
        "majority": "2 of 2",
    }
    assert table.rows == leaderboard(board).rows


def test_a_package_adds_columns_and_a_broken_one_hides_none(
    board: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, letters="COLUMN", runs="TAKEN", odd="NOT_ONE", gone="MISSING")
    monkeypatch.syspath_prepend(tmp_path)
    columns, faults = board_columns()
    table = with_columns(leaderboard(board), board, [columns["letters"]])
    assert column_of(table, "letters") == {"acs": "3", "crossd": "6", "majority": "8"}
    said = "\n".join(faults)
    assert "column 'runs' of theirs: the name 'runs' is taken; choose another" in said
    assert "column 'odd' of theirs: theirs:NOT_ONE is no BoardColumn" in said
    assert "column 'gone' of theirs cannot be imported from theirs:MISSING" in said


def test_a_value_that_cannot_be_had_is_said(board: Any) -> None:
    broken = BoardColumn(name="broken", title="broken", help="", value=lambda *_: 1 / 0)
    table = with_columns(leaderboard(board), board, [broken])
    assert set(column_of(table, "broken").values()) == {"failed"}
    assert any("column 'broken' has no value" in note for note in table.notes)


# -------------------------------------------------------------------- chosen in a report


@pytest.fixture
def results(tmp_path: Path, record: Any, predictions: Any) -> Path:
    """Two methods with costs on two tasks, and a baseline."""
    store = Store(tmp_path / "results")
    for place, method in enumerate(("acs", "crossd", "majority"), 1):
        parameters = {} if method == "majority" else {"total": 10**6 * place, "trainable": 513}
        for task in ("blood", "derma"):
            made = record(method, task, score=0.1 * place, parameters=parameters)
            store.write(made, predictions())
    return store.root


def heads(table: dict[str, Any]) -> list[str]:
    return [column["text"] for column in table["columns"]]


def test_boards_show_the_named_columns_in_their_order(results: Path) -> None:
    names = ("mean-rank", "parameters-total", "tasks")
    (table,) = json.loads(report([results], "json", columns=names))["tables"]
    assert heads(table) == ["mean rank", "parameters", "blood", "derma"]
    first = table["rows"][0]
    assert first["text"] == "crossd"
    assert first["cells"]["parameters"]["value"] == 2e6
    assert first["cells"]["parameters"]["text"] == "2,000,000"


def test_a_task_is_a_column_too(results: Path) -> None:
    (table,) = json.loads(report([results], "json", columns=("derma",)))["tables"]
    assert heads(table) == ["derma"]


def test_an_unknown_column_is_refused(results: Path) -> None:
    with pytest.raises(RequestError, match="unknown column 'mean-rnk'; did you mean mean-rank"):
        report([results], columns=("mean-rnk",))


def test_columns_and_costs_are_of_boards_alone(results: Path) -> None:
    for asked in ({"columns": ("average",)}, {"costs": True}):
        with pytest.raises(RequestError, match="leave out --columns and --cost"):
            report([results], task="blood", **asked)


def test_costs_are_those_that_are_known(results: Path) -> None:
    (table,) = json.loads(report([results], "json", costs=True))["tables"]
    assert heads(table) == [
        "blood",
        "derma",
        "average",
        "mean rank",
        "trainable parameters",
        "parameters",
    ]


def test_the_command_takes_names_between_commas(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(results), "--board", "1", "--columns", "average,runs"]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2" in printed
    assert "blood" not in printed
