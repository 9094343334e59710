"""What a reader chooses: metric, board, filters. Every choice stands in the address.

A choice of one name is the same on every view and goes along between them; the address of a view
restores all of its own. What an address asks for that is not to be had is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from crossbench.evaluation.metrics import METRICS, title_of
from crossbench.registry.tasks import registered_task
from crossbench.results.boards.boards import SOURCES, split_boards
from crossbench.results.boards.contents import content_notes, contents_of
from crossbench.results.boards.tables import PHANTOM
from crossbench.results.boards.titles import headings, setting_line
from crossbench_leaderboard.state import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from crossbench.results.boards.board import Board

#: What stands for the metric that preset or cards declare.
AS_DECLARED = "main metric of the tasks"

_AFTER_THE_FACT = (
    "was chosen after the fact: a look at the results, not the claim that was declared."
)
_FILTERS = {
    "dimension": "Dimensions",
    "modality": "Modality",
    "source": "Data source",
    "preset": "Preset",
    "protocol": "Protocol",
    "init": "Init",
}
# What a plain baseline has no part in; it stays as long as its task does.
_NETWORK_ONLY = ("protocol", "init")


# ------------------------------------------------------------------- choices at large


def pick(
    label: str,
    options: Sequence[str],
    key: str,
    *,
    first: int = 0,
    words: Callable[[str], str] = str,
) -> str:
    """Choose one of some names.

    Args:
        label: What is chosen.
        options: One or more names, as they stand in the address.
        key: Name of the choice in the address.
        first: Place of the one that is chosen at first.
        words: What is shown for a name.
    """
    widget = _restored(key, options, [options[first]], several=False)
    chosen = st.selectbox(label, options, key=widget, format_func=words)
    return str(_kept(key, [chosen], [AS_DECLARED])[0])


def one_of(label: str, options: Sequence[str], key: str) -> str:
    """Choose one of a few words, side by side; see :func:`pick`."""
    widget = _restored(key, options, [options[0]], several=False)
    chosen = st.pills(label, options, required=True, key=widget, format_func=plain)
    return str(_kept(key, [chosen], [])[0])


def switch(label: str, key: str, *, on: bool = False) -> bool:
    """Choose whether; see :func:`pick`."""
    widget = _restored(key, (False, True), [on], several=False)
    return bool(_kept(key, [st.toggle(label, key=widget)], [on])[0])


def chips(
    label: str, options: Sequence[Any], key: str, *, default: Sequence[Any] = ()
) -> list[Any]:
    """Choose any of some values; nothing is drawn where there is nothing to choose between."""
    if len(options) < 2:
        return list(default)
    widget = _restored(key, options, default, several=True)
    chosen = st.pills(label, options, selection_mode="multi", key=widget, format_func=plain)
    return _kept(key, chosen, default)


def _restored(key: str, options: Sequence[Any], default: Sequence[Any], *, several: bool) -> str:
    """Set a choice to what the address, else another view, asks for.

    Returns:
        Name of the widget, one of its own on every view: Streamlit forgets it with its page.
    """
    widget = f"{st.session_state.get('view', '')}-{key}".removeprefix("-")
    asked, noted = st.query_params.get_all(key), st.session_state.get("chosen", {}).get(key, [])
    kept = st.session_state.get(widget)
    names = {str(each): each for each in options}
    if kept is None or (asked and asked != noted):
        found = [names[each] for each in asked or noted if each in names]
    else:
        found = kept if several else [kept]
        if any(each not in options for each in found):  # of another board
            found = []
    chosen = list(found or default)
    st.session_state[widget] = chosen if several else chosen[0]
    return widget


def _kept(key: str, chosen: Sequence[Any], unsaid: Sequence[Any]) -> list[Any]:
    """Write a choice into the address, but for the one unsaid, and note it for other views.

    Others are written even where nobody chose: new records may change what comes first.
    """
    names = [] if list(chosen) == list(unsaid) else [str(each) for each in chosen]
    st.session_state.setdefault("chosen", {})[key] = names
    if not names:
        st.query_params.pop(key, None)
    elif st.query_params.get_all(key) != names:
        st.query_params[key] = names
    return list(chosen)


# ----------------------------------------------------------------- what views have in common


def pick_metric() -> str | None:
    """Choose the metric that everything on the page is computed by.

    Returns:
        Its name; None for the one that preset or cards declare.
    """
    chosen = pick("Metric", [AS_DECLARED, *METRICS], "metric", words=title_of)
    return None if chosen == AS_DECLARED else chosen


def pick_board(
    frame: pd.DataFrame, *, of: str = "", filters: bool = False
) -> tuple[Board | None, str | None]:
    """Choose a board and a metric, and say what the board is.

    At first it is the board with the most methods and tasks, of real data before embedded before
    phantoms.

    Args:
        frame: Runs; at least one.
        of: Name of a method that the boards must have; any where empty.
        filters: Whether the reader may choose among the runs, too.

    Returns:
        The board, None where no runs are left; and the metric that was asked for, if any.
    """
    left, middle, right = st.columns([6, 3, 1 if filters else 0.01], vertical_alignment="bottom")
    runs = frame
    if filters:
        with right:
            runs = filtered(frame)
    with middle:
        metric = pick_metric()
    boards = split_boards(runs, metric, contents_of(frame))
    boards = [board for board in boards if not of or of in set(board.runs["method"])]
    if not boards:
        return None, metric
    names = headings(boards)
    first = min(range(len(boards)), key=lambda place: _weight(boards[place]))
    with left:
        label = f"Board ({len(boards)}): only runs on one board may be compared"
        board = boards[names.index(pick(label, names, "board", first=first))]
    _show_what_it_is(board, metric)
    return board, metric


def _weight(board: Board) -> tuple[int, int, bool]:
    """Sort key: real data first, then the larger boards, all samples labelled before some."""
    size = len(board.methods) * len(board.tasks)
    return SOURCES.index(board.source), -size, board.labelled_limit is not None


def _show_what_it_is(board: Board, metric: str | None) -> None:
    """The settings, and what a reader must know of the data and the metric."""
    st.caption(plain(setting_line(board)))
    if metric:
        st.caption(f"{title_of(metric)} {_AFTER_THE_FACT}")
    if board.source == "phantom":
        st.warning(PHANTOM, icon=":material/warning:")
    for note in content_notes(board):
        st.warning(plain(note), icon=":material/database:")


# --------------------------------------------------------------------------- filters


def filtered(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs that the reader wants to see; no chip chosen means everything.

    Args:
        frame: Runs, with the columns of ``to_frame``.
    """
    modalities = {task: _modality(task) for task in frame["task"].unique()}
    runs = frame.assign(modality=frame["task"].map(modalities))
    plain_runs = runs["protocol"] == "plain"
    kept = plain_runs | ~plain_runs
    with st.popover("Filters", icon=":material/filter_list:"):
        for column, label in _FILTERS.items():
            networks_only = column in _NETWORK_ONLY
            options = runs.loc[~plain_runs, column] if networks_only else runs[column]
            if chosen := chips(label, sorted(options.unique()), column):
                kept &= runs[column].isin(chosen) | (plain_runs & networks_only)
    return frame[kept]


def _modality(task: str) -> str:
    card = registered_task(task)
    return "unknown" if card is None else card.modality
