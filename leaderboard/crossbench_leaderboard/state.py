"""Shared parts of views: the results and common elements."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from crossbench.evaluation.metrics import METRICS, title_of
from crossbench.results.boards.boards import SOURCES
from crossbench.results.boards.contents import content_notes
from crossbench.results.boards.table import BEST, LEGEND
from crossbench.results.boards.tables import PHANTOM
from crossbench.results.records.cache import read_cached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.results.boards.boards import Board
    from crossbench.results.boards.table import Cell, Table
    from crossbench.results.records.store import Broken

#: Results that ship with the dashboard, shown where there are none of one's own.
EXAMPLES = Path(__file__).resolve().parent / "examples"

#: What stands for the metric that preset or cards declare.
AS_DECLARED = "main metric of the tasks"

#: What stands where there is nothing to say.
NONE = "–"

_FEW = 20


@dataclass(frozen=True, eq=False)
class Results:
    """The results on display; views never change them.

    Attributes:
        folders: The results folders.
        frame: The valid records, one row each, as from
            :func:`~crossbench.results.records.loading.load_results`; without columns if there is
            none.
        broken: The files that are no valid records, and why.
    """

    folders: tuple[Path, ...]
    frame: pd.DataFrame
    broken: tuple[Broken, ...]


def load(folders: Sequence[Path]) -> Results:
    """The results in these folders, with a progress bar while many records are new."""
    bar = st.empty()

    def progress(folder: Path, done: int, total: int) -> None:
        if total > _FEW and done % _FEW == 0:
            text = f"Reading new records in {plain(folder)}: {done} of {total}"
            bar.progress(done / total, text=text)

    records = read_cached(folders, progress=progress)
    bar.empty()
    return Results(folders=tuple(folders), frame=records.frame, broken=records.broken)


def out_folder(results: Results) -> Path:
    """Output folder of suggested commands: the folder shown, never the examples."""
    shown = [folder for folder in results.folders if folder.resolve() != EXAMPLES]
    return shown[0] if shown else Path("results")


def pick_metric(key: str) -> str | None:
    """Choose the metric that everything on the page is computed by.

    The question goes along from page to page and stands in the address as ``?metric=``, to be
    sent on; other queries of the address stay.

    Args:
        key: Name of the choice, unique among all pages: Streamlit forgets it with its page.

    Returns:
        The metric's name; None for the one that preset or cards declare.
    """
    options = [AS_DECLARED, *METRICS]
    kept = st.query_params.get("metric", st.session_state.get("metric-asked"))
    st.session_state.setdefault(key, kept if kept in options else AS_DECLARED)
    chosen = str(st.selectbox("Metric", options, format_func=title_of, key=key))
    st.session_state["metric-asked"] = chosen
    if chosen == AS_DECLARED:
        st.query_params.pop("metric", None)
        return None
    st.query_params["metric"] = chosen
    st.caption("Chosen after the fact: a look at the results, not the claim that was declared.")
    return chosen


def report_command(results: Results, metric: str | None = None) -> None:
    """Show the command that prints the boards, by the metric that was asked for."""
    asked = [] if metric is None else ["--metric", metric]
    command(arguments("crossbench", "report", *results.folders, *asked))


def pick_board(boards: Sequence[Board], key: str) -> Board:
    """Choose a board, with a warning where its data are phantoms.

    At first it is the board with the most methods and tasks, of real data before embedded before
    phantoms.

    Args:
        boards: One or more boards.
        key: Name of the choice, unique on its page.
    """
    titles = [board.title for board in boards]
    label = f"Board ({len(boards)}): only runs on one board may be compared"
    places = range(len(boards))
    first = min(places, key=lambda place: _weight(boards[place]))
    place = st.selectbox(label, places, index=first, format_func=titles.__getitem__, key=key)
    board = boards[place]
    if board.source == "phantom":
        st.warning(PHANTOM, icon=":material/warning:")
    for note in content_notes(board):
        st.warning(plain(note), icon=":material/database:")
    return board


def _weight(board: Board) -> tuple[int, int]:
    """Sort key: real data first, then the larger boards."""
    return SOURCES.index(board.source), -len(board.methods) * len(board.tasks)


def show_table(table: Table) -> None:
    """Show a table of :mod:`crossbench.results` with its title and its notes."""
    st.text(table.title)
    if table.subtitle:
        st.caption(plain(table.subtitle))
    names = [column.label for column in table.columns]
    cells = [[_words(cell) for cell in row] for row in table.cells]
    frame = pd.DataFrame(cells, columns=names, index=[row.label for row in table.rows])
    st.dataframe(frame.rename_axis(table.axes[0]).reset_index(), hide_index=True)
    starred = any(cell.best for row in table.cells for cell in row)
    for note in [LEGEND] * starred + list(table.notes):
        st.caption(plain(note))


def _words(cell: Cell) -> str:
    """A cell in one line; the best is starred."""
    words = cell.text + cell.mark + BEST * cell.best
    return f"{words} ({cell.detail})" if cell.detail else words


def command(text: str) -> None:
    """Show the shell command that gives what is on the page."""
    st.caption("The same from the command line:")
    st.code(text, language="bash", wrap_lines=True)


def arguments(*words: object) -> str:
    """Words as they must be written in a shell."""
    return shlex.join(str(word) for word in words)


def download(frame: pd.DataFrame, name: str) -> None:
    """A button that saves a frame as ``name``.csv."""
    st.download_button(
        "Download as CSV",
        frame.to_csv(index=False),
        file_name=f"{name}.csv",
        mime="text/csv",
        key=f"download-{name}",
        on_click="ignore",
        icon=":material/download:",
    )


def plain(text: object) -> str:
    """Text for where Streamlit takes Markdown, such as headings: shown as it is."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", str(text))
