"""Tables as text: aligned, within the width, names whole, texts as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.cli.columns import cell_width, table


def test_a_table() -> None:
    rows = [{"name": "a", "runs": 3, "why": None}, {"name": "long-name", "runs": 12, "why": "[b]"}]
    assert table(rows, width=80).splitlines() == [
        "name       runs  why",
        "────────────────────",
        "a          3     –",
        "long-name  12    [b]",
    ]


def test_texts_are_wrapped_and_names_are_not() -> None:
    row = {"name": "a-name-of-its-own", "what": "one two three four five six", "n": 1}
    assert table([row], width=34).splitlines() == [
        "name               what          n",
        "──────────────────────────────────",
        "a-name-of-its-own  one two       1",
        "                   three four",
        "                   five six",
    ]


def test_no_rows_are_no_table() -> None:
    assert table([], width=80).strip() == ""


def test_line_breaks_become_spaces() -> None:
    assert table([{"name": "a\nb"}], width=80).splitlines()[-1] == "a b"


def test_wide_letters_stay_aligned() -> None:
    lines = table([{"name": "脑", "n": 1}, {"name": "abc", "n": 2}], width=80).splitlines()
    assert [cell_width(line[: line.index(n)]) for line, n in zip(lines[2:], "12", strict=True)] == [
        6,
        6,
    ]


@given(
    st.lists(
        st.tuples(st.text("abc ", max_size=12), st.text("xyz -", max_size=200), st.integers(0, 9)),
        min_size=1,
        max_size=5,
    )
)
def test_any_texts_fit_and_lose_no_letter(rows: list[tuple[str, str, int]]) -> None:
    named = [{"name": name, "text": text, "n": number} for name, text, number in rows]
    shown = table(named, width=40)
    assert max(map(len, shown.splitlines())) <= 40
    for letter in "abcxyz":
        assert shown.split("\n", 2)[2].count(letter) == sum(
            name.count(letter) + text.count(letter) for name, text, _ in rows
        )


@pytest.mark.parametrize("width", [1, 10, 30])
def test_a_terminal_too_narrow_is_overrun_and_no_error(width: int) -> None:
    assert "a-name-of-its-own" in table([{"name": "a-name-of-its-own", "n": 1}], width=width)
