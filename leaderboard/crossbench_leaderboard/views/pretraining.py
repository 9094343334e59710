"""Gains from pretraining, learning curves, and the pretrained networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd
import streamlit as st

from crossbench.evaluation.metrics import title_of
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.curves import curve_table, learning_curves
from crossbench.results.boards.pretrainings import pretrain_tables
from crossbench.results.boards.transfer import transfers
from crossbench.results.boards.transfer_tables import contrast_table, gain_table
from crossbench.results.figures import marks
from crossbench.results.figures.curves import curve_figure
from crossbench.results.records.pretrainings import read_pretrainings
from crossbench_leaderboard import charts
from crossbench_leaderboard.choices import pick, pick_metric
from crossbench_leaderboard.display import show_figure, show_table, theme
from crossbench_leaderboard.state import arguments, command, out_folder

if TYPE_CHECKING:
    from crossbench.results.boards.transfer import Transfer
    from crossbench_leaderboard.state import Results

_WEIGHTS = ("random", "pretrained")


def show(results: Results) -> None:
    """Draw the view."""
    st.title("What pretraining is worth")
    metric = pick_metric()
    found = transfers(results.frame, metric)
    if found:
        _worth(_pick(found))
    else:
        st.write("No runs here from random and from pretrained weights alike. This makes them:")
    command(arguments("crossbench", "transfer", "--out", out_folder(results)))
    for number, curves in enumerate(learning_curves(split_boards(results.frame, metric)), 1):
        show_figure(curve_figure(curves, theme=theme()))
        show_table(curve_table(curves), f"curve-{number}")
    _networks(results)


def _pick(found: list[Transfer]) -> Transfer:
    titles = [transfer.title for transfer in found]
    return found[titles.index(pick(f"Task and weights ({len(found)})", titles, "transfer"))]


def _worth(transfer: Transfer) -> None:
    """Gains by method and protocol, and their contrasts."""
    frame = _means(transfer)
    title = title_of(transfer.metric)
    charts.show(_chart(frame, title), "pretraining", title=transfer.title, data=frame)
    show_table(gain_table(transfer), "gains")
    if transfer.contrasts:
        with st.expander("What pretraining is worth to one method more than to another"):
            show_table(contrast_table(transfer), "contrasts")


def _means(transfer: Transfer) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": f"{gain.protocol} · {gain.method}",
            "protocol": gain.protocol,
            "method": gain.method,
            "weights": weights,
            "score": score,
        }
        for gain in transfer.gains
        for weights, score in zip(_WEIGHTS, (gain.random, gain.pretrained), strict=True)
    )


def _chart(frame: pd.DataFrame, title: str) -> Any:
    """A line from the mean of random weights to that of pretrained ones."""
    order = list(dict.fromkeys(frame["run"]))
    x = alt.X("score:Q", axis=charts.few(f"{title}, mean over runs"), scale=charts.scores())
    y = alt.Y("run:N", sort=order, title=None, axis=alt.Axis(labelLimit=180))
    lines = alt.Chart(frame).mark_line(color="#8C8C8C", strokeWidth=2).encode(x, y, detail="run:N")
    dots = (
        alt.Chart(frame)
        .mark_point(filled=True, size=110, opacity=1)
        .encode(
            x,
            y,
            charts.colour("weights:N", _WEIGHTS),
            charts.shape("weights:N", _WEIGHTS),
            tooltip=["run:N", "weights:N", alt.Tooltip("score:Q", format=".3f")],
        )
    )
    return (lines + dots).properties(height=marks.rows_height(len(order)))


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
