from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from rich.cells import cell_len

from crossbench.errors import RequestError
from crossbench.results.boards.table import SHARED, Cell, Header, Table
from crossbench.results.report.render import FORMATS, render

NASTY = r"a_b & 50% $x$ #1 {c} \d ~e ^f <g> |h| [i] *j* [bold]k[/bold] `l` ± – † ‡ × ·"


def make_table(names: list[str], **changes: Any) -> Table:
    """Methods on two tasks; the first is best, the second lacks a run, the last is aside."""
    rows = tuple(Header(name, aside=name is names[-1]) for name in names)
    best = Cell(text="0.800 ± 0.000", best=True, value=0.8, spread=0.0, count=2, complete=True)
    short = Cell(text="0.600", detail="1/2 runs, 1 failed", mark="†", value=0.6, count=1)
    fields: dict[str, Any] = {
        "title": "2D tasks",
        "subtitle": "Accuracy, mean ± population std",
        "axes": ("method", "task"),
        "rows": rows,
        "columns": (Header("blood"), Header("derma", "ungrouped"), Header("rank", aside=True)),
        "cells": tuple(
            (best if not position else short, short, Cell(text=str(position)))
            for position, _ in enumerate(names)
        ),
        "notes": ("† means little.",),
    }
    return Table(**fields | changes)


@pytest.fixture
def table() -> Table:
    return make_table(["crossd", "acs", "majority"])


# --------------------------------------------------------------------- every format


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_carries_the_caution(form: str) -> None:
    text = render([make_table(["acs", "b"], caution="PHANTOM DATA: says nothing")], form)
    assert "PHANTOM DATA: says nothing" in text


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_shows_what_is_missing(form: str, table: Table) -> None:
    text = render([table], form)
    assert text == text.strip("\n")
    for part in ("0.600", "1/2 runs", "1 failed", "ungrouped", "majority"):
        assert part in text


@pytest.mark.parametrize("form", FORMATS)
def test_no_control_character_gets_through(form: str) -> None:
    wicked = "a\x1b[31mred\x1b[0m\x07\u202eb\x9b\nc\udc80"
    text = render([make_table([wicked, "acs"], title=wicked, notes=(wicked,))], form)
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    text.encode()


def test_an_unknown_format_is_an_error(table: Table) -> None:
    with pytest.raises(RequestError, match="unknown format 'markdwon'; did you mean markdown"):
        render([table], "markdwon")


# ------------------------------------------------------------------------- terminal


TERMINAL = """\
2D tasks
Accuracy, mean ± population std

                          derma
method    blood           (ungrouped)  rank
───────────────────────────────────────────
crossd    0.800 ± 0.000*  0.600†       0
                          (1/2 runs,
                          1 failed)
acs       0.600†          0.600†       1
          (1/2 runs,      (1/2 runs,
          1 failed)       1 failed)

majority  0.600†          0.600†       2
          (1/2 runs,      (1/2 runs,
          1 failed)       1 failed)

* the best of the methods that have every run.
† means little."""


def test_a_terminal_shows_the_table(table: Table) -> None:
    assert render([table], "table", width=80) == TERMINAL


def wide(methods: int, tasks: int) -> Table:
    cell = Cell(text="0.800 ± 0.000", detail="4/5 runs", best=True, value=0.8)
    return Table(
        title="Wide",
        axes=("method", "task"),
        rows=tuple(Header(f"method-{row}") for row in range(methods)),
        columns=tuple(Header(f"some-task-{column}") for column in range(tasks)),
        cells=((cell,) * tasks,) * methods,
    )


@given(methods=st.integers(1, 9), tasks=st.integers(1, 20), width=st.integers(40, 200))
@settings(max_examples=40)
def test_a_terminal_is_never_too_narrow(methods: int, tasks: int, width: int) -> None:
    text = render([wide(methods, tasks)], "table", width=width)
    assert max(map(cell_len, text.splitlines())) <= width
    assert text.count("0.800 ± 0.000*") == methods * tasks
    assert "…" not in text


def test_a_table_with_many_tasks_is_turned() -> None:
    text = render([wide(2, 9)], "table", width=80)
    assert re.search(r"task +method-0 +method-1", text)
    assert "some-task-8" in text
    assert re.search(r"method +some-task-0 +some-task-1", render([wide(9, 2)], "table", width=80))


def test_what_does_not_fit_is_continued_with_the_names_repeated() -> None:
    text = render([wide(9, 20)], "table", width=80)
    assert text.count("some-task-7") == 3
    assert len([line for line in text.splitlines() if line.startswith("task ")]) == 3


def test_markup_in_names_is_text_at_a_terminal() -> None:
    text = render([make_table(["[bold]op[/bold]", ":smile:", "[/]"])], "table", width=80)
    assert "[bold]op[/bold]" in text
    assert ":smile:" in text


def test_colour_is_there_when_asked_for(table: Table) -> None:
    assert "\x1b[" not in render([table], "table", width=80)
    coloured = render([table], "table", width=80, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).split() == (
        render([table], "table", width=80).split()
    )


def test_a_list_wraps_its_words() -> None:
    listing = make_list("words " * 40)
    text = render([listing], "table", width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("words") == 40


def make_list(reason: str) -> Table:
    return Table(
        title="Runs without a result",
        axes=("run", ""),
        rows=(Header("a"), Header("a")),
        columns=(Header("reason"),),
        cells=((Cell(text=reason),), (Cell(text="another"),)),
    )


# ------------------------------------------------------------------------ documents


def test_markdown(table: Table) -> None:
    assert render([table], "markdown").splitlines() == [
        "### 2D tasks",
        "",
        "Accuracy, mean ± population std",
        "",
        r"| method | blood | derma (ungrouped) | rank |",
        "| :--- | :--- | :--- | :--- |",
        "| crossd | **0.800 ± 0.000** | 0.600† (1/2 runs, 1 failed) | 0 |",
        "| acs | 0.600† (1/2 runs, 1 failed) | 0.600† (1/2 runs, 1 failed) | 1 |",
        "| *majority* | 0.600† (1/2 runs, 1 failed) | 0.600† (1/2 runs, 1 failed) | 2 |",
        "",
        "- Bold: the best of the methods that have every run.",
        "- † means little.",
    ]


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_a_page_turns_a_table_with_many_tasks(form: str) -> None:
    separator = " | " if form == "markdown" else " & "
    assert f"task{separator}method-0{separator}method-1" in render([wide(2, 9)], form)
    assert f"method{separator}some-task-0" in render([wide(2, 8)], form)


def test_markup_in_names_is_text_in_markdown() -> None:
    text = render([make_table([NASTY, "acs"])], "markdown")
    (row,) = [line for line in text.splitlines() if "50%" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert r"\[bold\]k\[/bold\]" in row
    assert "&lt;g&gt;" in row
    assert r"\`l\`" in row
    assert r"\$x\$" in row


LATEX_ROWS = r"""
\toprule
method & blood & derma (ungrouped) & rank \\
\midrule
crossd & \textbf{0.800$\pm$0.000} & SHORT & 0 \\
acs & SHORT & SHORT & 1 \\
\midrule
majority & SHORT & SHORT & 2 \\
\bottomrule
""".replace("SHORT", r"0.600$^\dagger$ {\tiny (1/2 runs, 1 failed)}")


def test_latex(table: Table) -> None:
    text = render([table], "latex")
    assert text.startswith("% needs \\usepackage{booktabs}\n")
    assert LATEX_ROWS in text
    assert r"\caption{2D tasks. Accuracy, mean $\pm$ population std.}" in text


def test_latex_sets_off_what_is_aside_in_a_turned_table_too() -> None:
    upright = wide(2, 9)
    headers = [replace(each, aside=place in (3, 8)) for place, each in enumerate(upright.columns)]
    lines = render([replace(upright, columns=tuple(headers))], "latex").splitlines()
    body = lines[lines.index(r"\toprule") + 2 : lines.index(r"\bottomrule")]
    aside = ["-3 " in each or "-8 " in each for each in body if each != r"\midrule"]
    assert aside == [False] * 3 + [True] + [False] * 4 + [True]
    rules = [place for place, each in enumerate(body) if each == r"\midrule"]
    assert rules == [0, 4, 6, 11]


def test_a_list_keeps_marks_and_details_at_a_terminal() -> None:
    cell = Cell(text="+0.2", detail="4/5 runs", mark="†", best=True)
    listing = replace(make_list("words"), rows=(Header("a"),), cells=((cell,),))
    text = render([listing], "table", width=60)
    assert "+0.2†*" in text
    assert "(4/5 runs)" in text


def test_latex_without_baselines_has_no_rule_for_them() -> None:
    assert render([wide(2, 2)], "latex").count(r"\midrule") == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path: Path, table: Table) -> None:
    tables = [
        table,
        make_table([NASTY, "[acs]", "*x*", "�"], title=NASTY, caution=NASTY, notes=(NASTY,)),
        wide(2, 12),
        make_list(NASTY * 5),
    ]
    document = "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage{booktabs}",
            r"\begin{document}",
            render(tables, "latex"),
            r"\end{document}",
        ]
    )
    (tmp_path / "report.tex").write_text(document)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "report.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


# ------------------------------------------------------------------------- programs


def test_csv_has_one_line_a_cell(table: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(render([table, make_list("x")], "csv"))))
    assert len(rows) == 9 + 2
    assert rows[0] == {
        "table": "2D tasks",
        "caution": "",
        **dict.fromkeys(SHARED, ""),
        "row": "crossd",
        "column": "blood",
        "column_detail": "",
        "metric": "",
        "aside": "False",
        "text": "0.800 ± 0.000",
        "detail": "",
        "mark": "",
        "best": "True",
        "value": "0.8",
        "spread": "0.0",
        "low": "",
        "high": "",
        "count": "2",
        "complete": "True",
    }
    assert [row["aside"] for row in rows[:3]] == ["False", "False", "True"]
    assert rows[-1]["text"] == "another"


def test_json_holds_the_numbers(table: Table) -> None:
    first, second = json.loads(render([table, make_list("x")], "json"))["tables"]
    assert first["title"] == "2D tasks"
    assert [row["text"] for row in first["rows"]] == ["crossd", "acs", "majority"]
    assert first["rows"][0]["cells"]["blood"]["value"] == 0.8
    assert first["rows"][1]["cells"]["derma"] == {
        "text": "0.600",
        "detail": "1/2 runs, 1 failed",
        "mark": "†",
        "best": False,
        "value": 0.6,
        "spread": None,
        "low": None,
        "high": None,
        "count": 1,
        "complete": False,
    }
    assert [row["cells"]["reason"]["text"] for row in second["rows"]] == ["x", "another"]


def test_columns_of_one_name_are_told_apart_in_json() -> None:
    twice = make_table(["acs", "b"], columns=(Header("ms"), Header("ms", "reported"), Header("n")))
    (row, _) = json.loads(render([twice], "json"))["tables"][0]["rows"]
    assert list(row["cells"]) == ["ms", "ms (reported)", "n"]
