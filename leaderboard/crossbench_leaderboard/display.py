"""Figures and tables on a page, each with what is behind it to download."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from crossbench.results.boards.table import BEST, LEGEND, Table
from crossbench.results.figures.render import render as draw
from crossbench_leaderboard.state import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crossbench.results.boards.table import Cell
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

_KINDS = {
    "svg": ("SVG", "image/svg+xml"),
    "png": ("PNG", "image/png"),
    "csv": ("CSV", "text/csv"),
    "tex": ("LaTeX", "text/x-tex"),
}
_FONT = '"Source Sans", sans-serif'  # the page's own
_PICTURES = "Pictures need vl-convert: pip install 'crossbench[figures]'"


def theme() -> Theme:
    """The theme of the reader's browser."""
    return "dark" if st.context.theme.type == "dark" else "light"


# --------------------------------------------------------------------------- figures


def show_figure(figure: Figure) -> None:
    """Draw a figure below its title; its name is unique on the page."""
    st.markdown(f"**{plain(figure.title)}**")
    if figure.subtitle:
        st.caption("  \n".join(map(plain, figure.subtitle)))
    draw_chart(figure)


def draw_chart(figure: Figure) -> None:
    """Draw a figure as wide as the page, with its downloads, where the page has a title for it."""
    config = figure.spec["config"] | {"font": _FONT}
    st.vega_lite_chart(spec=figure.spec | {"config": config}, width="stretch", theme=None)
    files: dict[str, Callable[[], str | bytes]] = {}
    if find_spec("vl_convert"):
        files = {"svg": partial(draw, figure, "svg"), "png": partial(draw, figure, "png")}
    files["csv"] = lambda: figure.data.to_csv(index=False)
    _downloads(figure.name, files, note="" if "svg" in files else _PICTURES)


# ---------------------------------------------------------------------------- tables


def show_table(table: Table, name: str) -> None:
    """Show a table of :mod:`crossbench.results` with its title and its notes.

    Args:
        table: The table.
        name: What its files are called, unique on the page.
    """
    st.text(table.title)
    if table.subtitle:
        st.caption(plain(table.subtitle))
    names = [column.label for column in table.columns]
    cells = [[_words(cell) for cell in row] for row in table.cells]
    frame = pd.DataFrame(cells, columns=names, index=[row.label for row in table.rows])
    st.dataframe(frame.rename_axis(table.axes[0]).reset_index(), hide_index=True)
    files = {"csv": partial(_rendered, table, "csv"), "tex": partial(_rendered, table, "latex")}
    _downloads(name, files)
    show_notes(table)


def show_notes(table: Table) -> None:
    """The notes below a table, and what its star means."""
    starred = any(cell.best for row in table.cells for cell in row)
    for note in [LEGEND] * starred + list(table.notes):
        st.caption(plain(note))


def show_frame(
    frame: pd.DataFrame,
    name: str,
    *,
    title: str = "",
    formats: Mapping[str, Any] | None = None,
    height: int | None = None,
) -> None:
    """Show a frame without its index.

    Args:
        frame: Columns under their names for people, that of the rows' names first.
        name: What its files are called, unique on the page.
        title: Of the table in LaTeX.
        formats: Streamlit's configuration of columns.
        height: Pixels, where the rows scroll.
    """
    st.dataframe(frame, hide_index=True, column_config=formats, height=height or "auto")
    offer_frame(frame, name, title=title)


def offer_frame(frame: pd.DataFrame, name: str, *, title: str = "") -> None:
    """The downloads of a frame that is shown already."""
    files: dict[str, Callable[[], str | bytes]] = {
        "csv": lambda: frame.to_csv(index=False),
        "tex": lambda: _rendered(_as_table(frame, title or name), "latex"),
    }
    _downloads(name, files)


def _words(cell: Cell) -> str:
    """A cell in one line; the best is starred."""
    words = cell.text + cell.mark + BEST * cell.best
    return f"{words} ({cell.detail})" if cell.detail else words


def _as_table(frame: pd.DataFrame, title: str) -> Table:
    """A frame as a list, its first column naming the rows."""
    rows = ((name, *map(_text, values)) for name, *values in frame.itertuples(index=False))
    return Table.of_words([str(each) for each in frame.columns], rows, title=title)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return "" if value is None else str(value)


# ------------------------------------------------------------------------- downloads


def _rendered(table: Table, form: str) -> str:
    from crossbench.results.report.render import render

    return render([table], form) + "\n"


def _downloads(name: str, files: Mapping[str, Callable[[], str | bytes]], note: str = "") -> None:
    """One button, and behind it one a format; each file is made when it is asked for."""
    with st.popover("Download", icon=":material/download:", type="tertiary"):
        for ending, content in files.items():
            label, mime = _KINDS[ending]
            st.download_button(
                label,
                content,
                file_name=f"crossbench-{name}.{ending}",
                mime=mime,
                key=f"download-{name}-{ending}",
                on_click="ignore",
                width="stretch",
            )
        if note:
            st.caption(plain(note))
