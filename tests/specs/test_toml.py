"""TOML from anywhere: values within bounds, or one short message that names the file."""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.errors import CardError
from crossbench.specs.toml import parse_toml, read_toml, to_toml

if TYPE_CHECKING:
    from pathlib import Path


BEYOND = {
    "dots": ("a" + ".a" * 100_000 + " = 1", "line 1 has a key of more than 16 parts"),
    "header": (
        "\n[" + " . ".join(['"a"'] * 10_000) + "]",
        "line 2 has a key of more than 16 parts",
    ),
    "inline": (
        "x = {" + ".".join(["'a'"] * 18) + " = 1}",
        "line 1 has a key of more than 16 parts",
    ),
    "brackets": ("a = " + "[" * 20_000, "nested deeper than 16 levels"),
    "braces": ("a = " + "{a=" * 3000, "nested deeper than 16 levels"),
    "lists": ("a = " + "[" * 20 + "]" * 20, "nested deeper than 16 levels"),
    "digits": ("a = " + "9" * 5000, "Exceeds the limit"),
    "hex": ("a = 0x" + "f" * 5000, "a whole number has more than 64 bits"),
    "64 bits": ("a = [{b = 9223372036854775808}]", "a whole number has more than 64 bits"),
    "nan": ("a = nan", "a number is nan; numbers must be finite"),
    "inf": ("a = 1e999", "a number is inf; numbers must be finite"),
    "size": ('a = "' + "x" * 300_000 + '"', "it is larger than 262144 bytes"),
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_beyond_bounds_is_named_at_once(tmp_path: Path, name: str) -> None:
    text, message = BEYOND[name]
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    start = re.escape(f"{file}: not readable as TOML: ")
    with pytest.raises(CardError, match=f"^{start}{re.escape(message)}") as caught:
        read_toml(file)
    assert len(str(caught.value)) < 400


def test_dots_in_strings_and_comments_join_no_keys(tmp_path: Path) -> None:
    dots = "b." * 40
    text = (
        f"a = '{dots}' # {dots}\nc = \"\"\"{dots}\n\\\"{dots}\"\"\"\nd = '''{dots}'''\ne.f = 1.5\n"
    )
    assert parse_toml(text)["e"] == {"f": 1.5}


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfname = 'x'\r\n")
    assert read_toml(tmp_path / "a.toml") == {"name": "x"}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.toml")
    with pytest.raises(CardError, match=r"a\.toml: not readable as TOML: it is no regular file"):
        read_toml(tmp_path / "a.toml")


@given(st.text("ab.\"'=[]{},\\#\n 1", max_size=60))
def test_whatever_the_text_the_values_are_tomllibs_or_the_error_is_one(text: str) -> None:
    try:
        found = parse_toml(text)
    except ValueError:
        return
    assert found == tomllib.loads(text)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_the_file_is_named(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("toml") / "a.toml"
    file.write_bytes(content)
    message = ""
    try:
        read_toml(file)
    except CardError as error:
        message = str(error)
    assert not message or message.startswith(f"{file}: not readable as TOML: ")


_PLAIN = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
_TABLE = st.dictionaries(st.text(max_size=8), _PLAIN | st.lists(_PLAIN, max_size=3), max_size=4)


@given(
    st.dictionaries(st.text(max_size=8), _PLAIN | _TABLE | st.lists(_TABLE, min_size=1), max_size=4)
)
def test_what_is_written_is_read_again(mapping: dict[str, object]) -> None:
    text = to_toml(mapping)
    text.encode()
    assert tomllib.loads(text) == mapping


def test_what_toml_cannot_say_is_not_written() -> None:
    for value in (float("nan"), None, object()):
        with pytest.raises(ValueError, match="is no value of TOML"):
            to_toml({"key": value})
