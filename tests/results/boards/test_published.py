from __future__ import annotations

import pandas as pd
import pytest

from crossbench.evaluation.metrics import METRICS
from crossbench.results.boards.published import published_tables, table1, table2, table3
from crossbench.results.report.render import render


def figure(frame: pd.DataFrame, column: str, **where: object) -> object:
    for name, value in where.items():
        frame = frame[frame[name] == value]
    ((found,),) = frame[[column]].to_numpy()
    return found


def test_table_i_has_five_metrics_for_two_methods_and_inits() -> None:
    table = table1()
    assert len(table) == 4
    assert set(METRICS) & set(table.columns) == {
        "precision",
        "recall",
        "f1",
        "balanced_accuracy",
        "accuracy",
    }
    assert figure(table, "accuracy", init="rin", method="crossd") == 0.8374
    assert table["balanced_accuracy"].equals(table["recall"])  # the same by definition


def test_table_ii_has_seventeen_tasks() -> None:
    table = table2()
    assert len(table) == 17 * 4
    assert table.groupby("dimension")["task"].nunique().to_dict() == {2: 9, 3: 8}
    assert set(table.loc[table["dimension"] == 3, "method"]) == {"acs", "crossd"}
    assert set(table.loc[table["dimension"] == 2, "method"]) == {"conv2d", "crossd"}
    cell = {"task": "mosmed", "method": "crossd", "init": "rin"}
    assert (figure(table, "mean", **cell), figure(table, "std", **cell)) == (0.557, 0.102)


def test_the_averages_of_table_ii_are_those_of_its_figures() -> None:
    rows = table2().groupby(["group", "init", "method"])
    mean, printed = rows["mean"].mean(), rows["average"].first()
    assert mean.to_numpy() == pytest.approx(printed.to_numpy(), abs=0.0011)


def test_equal_figures_of_both_inits_are_noted() -> None:
    table = table2()
    noted = table[table["note"].str.contains("same Vessel and Synapse figures")]
    assert set(noted["task"]) == {"vessel", "synapse"}
    crossd = noted[noted["method"] == "crossd"].groupby("task")["mean"]
    assert (crossd.nunique() == 1).all()


def test_arrows_stand_where_the_paper_prints_them() -> None:
    marked = table2()[table2()["mark"] != ""].drop_duplicates("group")
    assert set(marked["mark"]) == {"↑"}
    places = marked[["group", "init", "method", "average"]].to_numpy().tolist()
    assert places == [
        ["radiology-2d", "in1k", "crossd", 0.738],
        ["volumetric", "in1k", "crossd", 0.535],
        ["other-2d", "in1k", "crossd", 0.894],
    ]
    for table, count in zip(published_tables()[1:5], (1, 1, 1, 0), strict=True):
        marks = [cells[-1].mark for cells in table.cells]
        assert "".join(marks).count("↑") == count
        assert ("↑ as printed in the paper." in table.notes) == bool(count)
    for form, sign in (
        ("table", "0.738ᵇ↑"),
        ("markdown", "0.738ᵇ↑"),
        ("latex", r"0.738$^{\mathrm{b}}$$\uparrow$"),
    ):
        assert sign in render(published_tables(), form)


def test_bold_figures_are_those_of_the_authors_tables() -> None:
    table = table2()
    known = table[table["bold"].notna()]
    assert set(known["group"]) == {"radiology-2d", "volumetric"}
    bold = known[known["bold"].astype(bool)]
    flat = bold[bold["dimension"] == 2]
    assert set(flat["method"]) == {"crossd"}  # whole rows, 0.747 of breast-cancer below 0.762 too
    assert len(flat) == 12
    volumes = bold[bold["dimension"] == 3]
    best = known[known["dimension"] == 3].groupby(["init", "task"])["mean"].idxmax()
    assert sorted(volumes.index) == sorted(best)
    assert set(known.loc[known["bold_average"].astype(bool), "method"]) == {"crossd"}
    columns = ("precision", "recall", "f1", "balanced_accuracy", "accuracy")
    assert dict(zip(table1()["method"], table1()["bold"], strict=True)) == {
        "conv2d": (),
        "crossd": columns,
    }


def test_a_table_without_bold_figures_does_not_explain_them() -> None:
    tables = published_tables()
    explained = [any(note.startswith("ᵇ") for note in table.notes) for table in tables]
    assert explained == [True, True, True, False, False, False]
    assert tables[0].cells[1][-1].mark == "ᵇ↑"
    assert tables[2].cells[0][0].mark == "ᵇ"
    assert tables[2].cells[1][0].mark == ""


def test_table_iii_has_three_shapes() -> None:
    table = table3()
    assert len(table) == 12
    assert figure(table, "ms", shape=(16, 128, 224, 224), method="acs") == 87.332


def test_every_figure_names_its_source() -> None:
    for number, table in zip(("I", "II", "III"), (table1(), table2(), table3()), strict=True):
        assert set(table["source"]) == {f"arXiv 2411.02441v4, Table {number}"}


def test_as_tables_they_are_reported_and_nothing_is_best() -> None:
    tables = published_tables()
    assert [table.subtitle.rpartition(" ")[2] for table in tables] == ["I", *["II"] * 4, "III"]
    for table in tables:
        assert table.title.startswith("Reported: ")
        assert "Reported figures: not measured here" in table.notes[0]
        assert not any(cell.best or cell.complete for cells in table.cells for cell in cells)
    radiology = tables[1]
    assert [row.text for row in radiology.rows][:2] == ["conv2d, init in1k", "crossd, init in1k"]
    assert radiology.cells[1][0].text == "0.871 ± 0.007"
    assert (radiology.columns[-1].label, radiology.cells[1][-1].text) == (
        "average (as printed)",
        "0.738",
    )
    assert any("Its Table V exchanges the citations" in note for note in tables[4].notes)
    assert any("Table II cites Vessel rightly" in note for note in tables[4].notes)
    assert tables[5].rows[0].text == "8×64×128×128"
    assert tables[5].cells[2][1].text == "655.812"


def test_figures_that_may_be_of_random_kernels_are_noted() -> None:
    table = table2()
    noted = table[table["note"].str.contains("may be of random kernels")]
    assert set(noted["dimension"]) == {3}
    assert set(noted["task"]) == set(table[table["dimension"] == 3]["task"])
