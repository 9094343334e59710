"""Samples by the rows of a table."""

from __future__ import annotations

import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scans import save_table

from crossbench.data.formats.tables import read_table
from crossbench.data.new.candidates import Candidates
from crossbench.data.new.finder import Finder
from crossbench.data.new.tables import by_table, find_columns, recognised
from crossbench.errors import DataError, RequestError

FILES = ("scans/A 1.nii.gz", "scans/b2.nii.gz", "other/Ü3.nii.gz")


def taken(file: Path, files: tuple[str, ...] = FILES, **named: str) -> Candidates:
    table = read_table(file)
    return by_table(table, find_columns(table, named), Finder(files))


def rows(*cells: str, columns: str = "File,Label,Patient ID") -> list[dict[str, str]]:
    return [dict(zip(columns.split(","), row.split(","), strict=True)) for row in cells]


def left_out(found: Candidates) -> list[str]:
    return [remark.shown for remark in found.remarks if remark.topic == "left out"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_files_are_found_by_path_name_or_stem_in_any_case(tmp_path: Path, delimiter: str) -> None:
    table = save_table(
        tmp_path / "t.csv",
        rows("SCANS/a 1.nii.gz,x,P1", "b2,y,P1", "/old/disk/other/U\u03083.NII.GZ,x,"),
        delimiter,
    )
    found = taken(table)
    assert [sample.file for sample in found.samples] == list(FILES)
    assert [sample.label for sample in found.samples] == ["x", "y", "x"]
    assert [sample.group for sample in found.samples] == ["P1", "P1", ""]
    assert found.group == "patient"
    assert left_out(found) == []


def test_a_row_without_file_and_a_file_without_row_are_left_out(tmp_path: Path) -> None:
    table = save_table(tmp_path / "t.csv", rows("A 1,x,P", "gone,x,P", "b2,,P", ",x,P"))
    found = taken(table)
    assert [sample.file for sample in found.samples] == [FILES[0]]
    assert left_out(found) == [
        "2 rows left out: the file that it names is not there: gone, row 5",
        "1 row left out: it has no label: b2",
        f"2 files left out: no row of the table names it: {FILES[1]}, {FILES[2]}",
    ]


def test_a_file_that_is_named_twice_counts_once_or_not_at_all(tmp_path: Path) -> None:
    same, other = ["A 1,x,P"] * 2, ["b2,x,P", "b2,y,P", "b2,x,P"]
    found = taken(save_table(tmp_path / "t.csv", rows(*same, *other, "Ü3,y,P")))
    assert [sample.file for sample in found.samples] == [FILES[0], FILES[2]]
    assert left_out(found)[0] == f"1 row left out: it repeats another: {FILES[0]}"
    assert left_out(found)[1] == (
        f"1 file left out: rows of the table contradict each other on it: {FILES[1]}"
    )


def test_identifiers_that_are_not_unique_give_way_to_files(tmp_path: Path) -> None:
    columns = "file,label,id"
    for ids, kept in (("12", ["1", "2"]), ("11", list(FILES[:2]))):
        cells = [f"{name},x,{each}" for name, each in zip(("A 1", "b2"), ids, strict=True)]
        table = save_table(tmp_path / "t.csv", rows(*cells, columns=columns))
        assert [sample.id for sample in taken(table).samples] == kept


def test_columns_are_found_by_their_names() -> None:
    ham = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
    assert recognised(ham) == {"group": "lesion_id", "file": "image_id", "label": "dx"}
    assert recognised(["Patient No.", "IMAGE FILE", "Class", "Split"]) == {
        "file": "IMAGE FILE",
        "label": "Class",
        "split": "Split",
    }
    assert recognised(["", "a"]) == {}


def test_columns_may_be_named(tmp_path: Path) -> None:
    table = save_table(
        tmp_path / "t.csv", rows(["A 1,x,2", "b2,y,3"][0], columns="Scan,Kind,Age in Years")
    )
    named = {"label": "KIND", "covariate": "age in years"}
    assert taken(table, **named).samples[0].covariate == 2
    with pytest.raises(
        RequestError, match=r"no column 'grade' \(--label\); it has Scan, Kind, Age"
    ):
        taken(table, label="grade")
    with pytest.raises(RequestError, match="no column is recognised as the label; name it by --la"):
        taken(table)


def test_the_column_of_identifiers_may_name_the_files(tmp_path: Path) -> None:
    table = save_table(tmp_path / "t.csv", rows("A 1,x,5", columns="ID,Pathology,Case"))
    found = taken(table)
    assert (found.samples[0].file, found.samples[0].id, found.group) == (FILES[0], "A 1", "case")


def test_a_split_is_taken_where_all_words_are_parts(tmp_path: Path) -> None:
    columns = "file,label,split"
    table = save_table(tmp_path / "t.csv", rows("A 1,x,Train", "b2,x,test", columns=columns))
    assert [sample.part for sample in taken(table).samples] == [0, 2]
    table = save_table(tmp_path / "t.csv", rows("A 1,x,1", "b2,x,2", columns=columns))
    assert [sample.part for sample in taken(table).samples] == [-1, -1]
    assert any("holds other words than train" in remark.text for remark in taken(table).remarks)


def test_numbers_may_have_a_decimal_comma(tmp_path: Path) -> None:
    columns = "file,label,covariate"
    cells = [{"file": "b2", "label": "x", "covariate": "3,5"}]
    assert taken(save_table(tmp_path / "t.csv", cells, ";")).samples[0].covariate == 3.5
    for wrong in ("", "old", "inf"):
        table = save_table(tmp_path / "t.csv", rows(f"b2,x,{wrong}", columns=columns))
        with pytest.raises(
            DataError, match=rf"'covariate' is '{wrong}' in row 2; a covariate needs"
        ):
            taken(table)


def test_a_name_of_several_files_is_refused(tmp_path: Path) -> None:
    table = save_table(tmp_path / "t.csv", rows("1,x,P"))
    with pytest.raises(DataError, match=r"'1' may be a/1\.png and b/1\.png; give paths in the tab"):
        taken(table, ("a/1.png", "b/1.png"))
    assert taken(save_table(tmp_path / "t.csv", rows("b\\1,x,P")), ("a/1.png", "b/1.png")).samples
    with pytest.raises(
        DataError, match=r"no row's 'File' \(.*, \.\.\.\) names a file of the folder"
    ):
        taken(table, ("a/2.png",))


def test_an_outline_is_taken_where_its_path_is_given() -> None:
    finder = Finder(["images/1.png"], ["masks/1.png", "images/1_mask.png"])
    assert finder.find("1", "t") == "images/1.png"
    assert finder.find("masks/1.png", "t") == "masks/1.png"
    assert finder.find("../../etc/passwd", "t") == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "needs a row of column names and rows below it"),
        (b"a,b\n", "needs a row of column names and rows below it"),
        (b"a,b\n1,2,3\n", "row 2 has 3 cells, the first 2; put cells that hold ',' in quotes"),
        (b'a,b\n"' + b"x" * 200_000 + b'",1\n', "cannot be read as a table .field larger than"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("code_page", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_tables_are_read_as_spreadsheets_write_them(tmp_path: Path, code_page: str) -> None:
    (tmp_path / "t.csv").write_bytes("file;größe\r\n a ;2\r\n;\r\n".encode(code_page))
    table = read_table(tmp_path / "t.csv")
    assert (table.columns, table.comma) == ({"file": ("a",), "größe": ("2",)}, True)


def test_what_programs_write_for_no_value_is_none(tmp_path: Path) -> None:
    table = save_table(tmp_path / "t.csv", rows("A 1,x,NaN", "b2,<NA>,P", "Ü3,y,null"))
    found = taken(table)
    assert [(sample.label, sample.group) for sample in found.samples] == [("x", ""), ("y", "")]
    assert found.group == ""


@given(st.binary(max_size=200) | st.text(string.printable, max_size=200).map(str.encode))
def test_any_bytes_are_a_table_or_refused_by_name(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.csv"
        file.write_bytes(content)
        try:
            table = read_table(file)
        except DataError as error:
            message = str(error)
        else:
            message = f"{file}: "
            assert {len(cells) for cells in table.columns.values()} == {len(table)}
            recognised(tuple(table.columns))
        assert message.startswith(f"{file}: ")
