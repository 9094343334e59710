from __future__ import annotations

from typing import Any

import pytest

from crossbench.results.boards.table import Table
from crossbench.results.report.appendix import appendix, commands
from crossbench.results.report.render import render


def rows_of(table: Table) -> dict[str, list[str]]:
    return {
        row.text: [cell.text for cell in cells]
        for row, cells in zip(table.rows, table.cells, strict=True)
    }


def test_runs_of_one_kind_have_one_command(record: Any) -> None:
    runs = [
        record(method, task, fold)
        for method in ("acs", "crossd", "majority")
        for task in ("blood", "derma")
        for fold in range(2)
    ]
    (command,) = rows_of(commands(runs)).values()
    for words in ("--method acs,crossd", "--task blood,derma", "--seeds 43", "--folds 0 1"):
        assert words in command[0]
    assert "majority" not in command[0]
    (alone,) = rows_of(commands([record("majority")])).values()
    assert "--task blood" in alone[0]


def test_what_a_record_does_not_say_is_a_note(record: Any) -> None:
    (table, *_) = appendix([record("own-method")])
    assert any("No method own-method is registered here" in note for note in table.notes)


def test_methods_tasks_and_machines_are_told_by_their_hashes(record: Any) -> None:
    sha256 = "a1" * 32
    origin = {
        "distribution": "mine",
        "version": "1.2",
        "git": {"commit": "0123456789abcdef", "dirty": True},
        "metadata": {"licence": "MIT"},
    }
    where = {"hardware": {"gpu": "H100"}, "versions": {"torch": "2.6"}, "method": origin}
    run = record(hashes={"method": sha256, "data": "d" * 40}, provenance=where)
    _, methods, tasks, machines = appendix([run])
    assert rows_of(methods)["crossd"] == ["mine 1.2", "0123456789ab (changed)", sha256[:16], "MIT"]
    assert rows_of(tasks)["blood"][2:] == ["d" * 16, "43"]
    assert rows_of(machines)["gpu H100"] == ["torch 2.6", "1"]


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "csv", "json", "html"])
def test_every_format_prints_it(record: Any, form: str) -> None:
    assert "crossbench run" in render(appendix([record()]), form, width=120)
