"""Gains from pretraining, learning curves, and the pretrained networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.curves import curve_table, learning_curves
from crossbench.results.boards.pretrainings import pretrain_tables
from crossbench.results.boards.titles import in_words
from crossbench.results.boards.transfer import transfers
from crossbench.results.boards.transfer_tables import contrast_table, gain_table
from crossbench.results.figures.curves import curve_figure
from crossbench.results.figures.pretraining import pretraining_gains
from crossbench.results.records.pretrainings import read_pretrainings
from crossbench_leaderboard.choices import pick, pick_metric
from crossbench_leaderboard.display import show_figure, show_table, theme
from crossbench_leaderboard.state import arguments, command, out_folder, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.results.boards.board import Board
    from crossbench.results.boards.transfer import Transfer
    from crossbench_leaderboard.state import Results


def show(results: Results) -> None:
    """Draw the view."""
    st.title("What pretraining is worth")
    metric = pick_metric()
    boards = split_boards(results.frame, metric)
    found = transfers(boards, metric)
    if found:
        _worth(_pick(found))
    else:
        st.write("No runs here from random and from pretrained weights alike. This makes them:")
        st.code(_command(results), language="bash", wrap_lines=True)
    _curves(boards)
    _networks(results)
    if found:
        command(_command(results))


def _command(results: Results) -> str:
    return arguments("crossbench", "transfer", "--out", out_folder(results))


def _pick(found: list[Transfer]) -> Transfer:
    """One of them; at first of real data, all of it labelled, and of most methods."""
    titles = [in_words(transfer.title) for transfer in found]
    first = min(range(len(found)), key=lambda place: _weight(found[place]))
    return found[
        titles.index(pick(f"Task and weights ({len(found)})", titles, "transfer", first=first))
    ]


def _weight(transfer: Transfer) -> tuple[bool, bool, int]:
    return transfer.source != "real", transfer.limited, -len(transfer.gains)


def _worth(transfer: Transfer) -> None:
    """Gains by method and protocol, and their contrasts."""
    if any(gain.over_random for gain in transfer.gains):
        show_figure(pretraining_gains(transfer, theme=theme()))
    with st.expander("The numbers"):
        show_table(gain_table(transfer), "gains")
    if transfer.contrasts:
        with st.expander("What pretraining is worth to one method more than to another"):
            show_table(contrast_table(transfer), "contrasts")


def _curves(boards: Sequence[Board]) -> None:
    """Scores by number of labelled samples, where several were tried."""
    for number, curves in enumerate(learning_curves(boards), 1):
        st.subheader(plain(f"Labelled samples: {curves.task}"))
        show_figure(curve_figure(curves, theme=theme()))
        with st.expander("The numbers"):
            show_table(curve_table(curves), f"curve-{number}")


def _networks(results: Results) -> None:
    """The networks that were pretrained here, as in the paper's Table I."""
    folders = [folder for folder in results.folders if folder.is_dir()]
    found, broken = read_pretrainings(folders)
    if found:
        st.subheader("Pretrained networks")
    for number, table in enumerate(pretrain_tables(found), 1):
        with st.expander(table.title):
            show_table(table, f"networks-{number}")
    for path, reason in broken:
        st.text(f"no valid pretraining record: {path}: {reason}")
