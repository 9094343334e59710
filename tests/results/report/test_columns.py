from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossbench.cli import main
from crossbench.errors import RequestError
from crossbench.results.records.store import Store
from crossbench.results.report.report import report


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
