from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.data.groups import read_tables
from crossbench.errors import DataError, MissingDataError


def test_a_table_is_read_as_text(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes("\ufeffid, group\r\n007 ,a b\r\n\r\n8,\r\n".encode())
    (table,) = read_tables([file])
    assert table.columns == {"id": ("007", "8"), "group": ("a b", "")}
    assert len(table) == 2
    assert table.has("id", "group")
    assert not table.has("id", "index")


def test_a_folder_stands_for_its_tables(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id\n1\n")
    (tmp_path / "a.tsv").write_text("id\tgroup\n1\t2\n")
    (tmp_path / "notes.txt").write_text("nothing")
    assert [table.file.name for table in read_tables([tmp_path])] == ["a.tsv", "b.csv"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "a table needs a row of column names and rows below it"),
        (b"id,group\n", "a table needs a row of column names and rows below it"),
        (b"id,id\n1,2\n", r"a column is named twice \(id, id\)"),
        (b"id,group\n1\n", "row 2 has 1 cells, the first 2"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    with pytest.raises(DataError, match=why) as caught:
        read_tables([file])
    assert str(caught.value).startswith(str(file))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"a\.csv: no such file; correct the path given to"):
        read_tables([tmp_path / "a.csv"])
    with pytest.raises(MissingDataError, match=r"no \.csv or \.tsv file in it"):
        read_tables([tmp_path])


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_table_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    file.write_bytes(content)
    with suppress(DataError):
        (table,) = read_tables([file])
        assert {len(column) for column in table.columns.values()} == {len(table)}
