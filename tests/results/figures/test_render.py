from __future__ import annotations

import io
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from crossbench.errors import RequestError
from crossbench.results.boards.boards import split_boards
from crossbench.results.figures.heat_map import heat_map
from crossbench.results.figures.render import FORMS, printed, render


@pytest.mark.parametrize("form", FORMS)
def test_the_same_figure_has_the_same_bytes(board_of: Any, form: Any) -> None:
    first, second = (render(heat_map(board_of(1)), form) for _ in range(2))
    assert first == second or form == "pdf"  # whose objects come in any order
    assert first.startswith({"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}[form])


def test_a_picture_is_as_wide_as_asked(board_of: Any) -> None:
    for width in (390, 640):
        picture = Image.open(io.BytesIO(render(heat_map(board_of(1)), "png", width=width)))
        assert picture.width == pytest.approx(2 * width, abs=2)


def test_the_subtitle_is_as_wide_as_the_picture(board_of: Any) -> None:
    sentences = ("Bars: 95 % intervals (corrected for overlapping training parts).", "One seed.")
    figure = replace(heat_map(board_of(1)), subtitle=sentences)
    lines = {width: printed(figure, width)["title"]["subtitle"] for width in (390, 640)}
    assert [len(lines[390]), tuple(lines[640])] == [3, sentences]
    assert " ".join(lines[390]) == " ".join(sentences)


def test_an_svg_stands_alone_and_keeps_names_as_text(record: Any, frame: Any) -> None:
    name = "<script>&co"
    (board,) = split_boards(frame(record(name), record("acs")))
    svg = render(heat_map(board), "svg").decode()
    root = ET.fromstring(svg)
    assert "script" not in {each.tag.rpartition("}")[2] for each in root.iter()}
    assert name in "".join(root.itertext())
    assert not any("href" in key for each in root.iter() for key in each.attrib)


def test_a_dark_picture_is_dark(board_of: Any) -> None:
    for theme, channel in (("light", 0xFF), ("dark", 0x16)):
        picture = Image.open(io.BytesIO(render(heat_map(board_of(1), theme=theme), "png")))
        assert picture.convert("RGB").getpixel((0, 0))[0] == channel


def test_an_unknown_format_is_refused(board_of: Any) -> None:
    with pytest.raises(RequestError, match="unknown format of a figure 'pgn'; did you mean png"):
        render(heat_map(board_of(1)), "pgn")  # type: ignore[arg-type]


def test_without_vl_convert_the_remedy_is_named(
    board_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(RequestError, match=r"pip install 'crossbench\[figures\]'"):
        render(heat_map(board_of(1)), "svg")
