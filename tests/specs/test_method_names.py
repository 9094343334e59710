"""Names of methods with hyperparameters: one form for each, and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.errors import RequestError
from crossbench.results.records.folders import method_folder
from crossbench.specs.method_names import (
    LONGEST_NAME,
    MethodName,
    Value,
    base_name,
    is_method_name,
    read_value,
    write_value,
)


def test_a_name_is_parted_into_base_and_values() -> None:
    name = MethodName.parse("mine:temp=2:mode=mean")
    assert (name.base, name.given) == ("mine", {"temp": "2", "mode": "mean"})
    assert str(name) == "mine:mode=mean:temp=2"
    assert base_name("mine:temp=2") == base_name("mine") == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine:temp", "method 'mine:temp': 'temp' is no key=value; write NAME:key=value:key=value"),
        ("mine:", "method 'mine:': '' is no key=value"),
        ("mine:a=1:a=2", "method 'mine:a=1:a=2' gives a twice; leave one of them out"),
        ("mine:a=../b", "'a=../b' is no key=value"),
        ("mine:a-b=1", "'a-b=1' is no key=value"),
        ("mine:a=", "'a=' is no key=value"),
        ("mine:a=b c", "'a=b c' is no key=value"),
        ("mine:a=" + "x" * LONGEST_NAME, f"must not be longer than {LONGEST_NAME} characters"),
    ],
)
def test_a_malformed_name_is_refused(text: str, message: str) -> None:
    with pytest.raises(RequestError, match=re.escape(message)):
        MethodName.parse(text)
    assert not is_method_name(text)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("mine", True),
        ("mine:a=1:b=x.y", True),
        ("mine:b=1:a=1", False),  # not sorted
        ("My:a=1", False),
        ("a/b:a=1", False),
        ("x" * 65, False),
    ],
)
def test_names_in_records_have_one_form(name: str, valid: bool) -> None:
    assert is_method_name(name) == valid


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("2.0", 2), ("2e0", 2), ("-0.5", -0.5), ("true", True), ("null", None),
     ("3d", "3d"), ("007", "007"), ("1e400", "1e400"), ("NaN", "NaN")],
)  # fmt: skip
def test_a_word_stands_for_a_value(text: str, value: Value) -> None:
    found = read_value(text)
    assert found == value
    assert type(found) is type(value)


words = st.from_regex(r"[A-Za-z0-9._+-]{1,9}", fullmatch=True)


@given(words)
def test_a_value_reads_as_it_was_written(word: str) -> None:
    value = read_value(word)
    assert read_value(write_value(value)) == value


names = st.builds(
    lambda base, given: str(MethodName(base, given)),
    st.sampled_from(["a", "a-b", "a-b-c", "p"]),
    st.dictionaries(st.from_regex(r"[a-z_]{1,3}", fullmatch=True), words, max_size=9),
)


@given(names, names)
def test_two_names_never_share_a_folder(one: str, other: str) -> None:
    assert (method_folder(one) == method_folder(other)) == (one == other)
    assert re.fullmatch(r"[A-Za-z0-9._+=-]{1,64}", method_folder(one))
