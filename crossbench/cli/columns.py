"""Rows as aligned text that fits a terminal."""

from __future__ import annotations

import shutil
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_GAP = "  "
_RULE = "─"
_NARROWEST = 9  # columns that a text is wrapped into at least


def table(rows: Sequence[Mapping[str, Any]], *, width: int | None = None) -> str:
    """Rows under a head; texts are wrapped where they would not fit, and names never.

    Args:
        rows: Columns by name, the same in every row; None is shown as a dash.
        width: Columns of text to fit into; None asks the terminal.
    """
    heads = list(rows[0]) if rows else []
    cells = [[_cell(row[head]) for head in heads] for row in rows]
    whole = width or shutil.get_terminal_size((100, 24)).columns
    widths = _widths(heads, cells, whole - len(_GAP) * (len(heads) - 1))
    ruled = _RULE * (sum(widths) + len(_GAP) * (len(heads) - 1))
    lines = [line for row in cells for line in _lines(row, widths)]
    return "\n".join([*_lines(heads, widths), ruled, *lines])


def _cell(value: object) -> str:
    return "–" if value is None else " ".join(str(value).splitlines())


def _widths(heads: list[str], cells: list[list[str]], room: int) -> list[int]:
    """Widths of the columns: as wide as their texts, and the widest narrowed until all fit."""
    widths = [max(map(cell_width, column)) for column in zip(heads, *cells, strict=True)]
    least = [
        width if head == "name" else min(width, max(_NARROWEST, cell_width(head)))
        for head, width in zip(heads, widths, strict=True)
    ]
    while sum(widths) > room and widths != least:
        spare = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1
    return widths


def _lines(row: list[str], widths: list[int]) -> list[str]:
    """A row as lines, as many as its longest text is wrapped into."""
    texts = [
        [text] if cell_width(text) <= width else textwrap.wrap(text, width)
        for text, width in zip(row, widths, strict=True)
    ]
    return [
        _GAP.join(map(_padded, line, widths)).rstrip() for line in zip_longest(*texts, fillvalue="")
    ]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_width(text))


def cell_width(text: str) -> int:
    """Columns that a terminal needs for a text."""
    return sum(
        0 if combining(letter) else 2 if east_asian_width(letter) in "WF" else 1 for letter in text
    )
