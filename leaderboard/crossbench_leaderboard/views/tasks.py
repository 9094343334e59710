"""One task: every method's results on it, where they err, and what the data is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from crossbench.data.inputs import find_kind
from crossbench.data.sources import find_file, open_task
from crossbench.errors import DataError, RecordError
from crossbench.evaluation.metrics import title_of
from crossbench.files.paths import cache_dir, data_dir
from crossbench.registry.tasks import find_task, registered_task
from crossbench.results.boards.board import CHANCE
from crossbench.results.boards.standings import means_over_runs
from crossbench.results.figures import marks
from crossbench.results.records.store import read_predictions, read_record
from crossbench_leaderboard import charts
from crossbench_leaderboard.choices import pick, pick_board, switch
from crossbench_leaderboard.display import show_frame
from crossbench_leaderboard.montage import evenly, montage
from crossbench_leaderboard.state import arguments, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.evaluation.statistics import Estimate
    from crossbench.results.boards.board import Board
    from crossbench.specs import TaskCard
    from crossbench_leaderboard.state import Results

_SAMPLES = 8
_FEW_CLASSES = 3  # whose names have room beside each other
_COLUMNS = {
    "name": "Method",
    "value": "Mean",
    "std": "Std",
    "low": "95 % interval from",
    "high": "to",
    "runs": "Runs",
    "of": "Of",
}


def show(results: Results) -> None:
    """Draw the view."""
    st.title("Tasks")
    st.write(
        "One task at a time: how the methods do on it and how far their folds lie apart, which "
        "classes they confuse, and what the data is."
    )
    board, _ = pick_board(results.frame)
    if board is None:
        return
    task = pick("Task", board.tasks, "task")
    runs = board.runs[board.runs["column"] == task]
    name = str(runs["task"].iloc[0])
    card = registered_task(name)

    _show_results(board, task, runs)
    _show_predictions(runs, card)
    if card is None:
        st.info("The card of this task is not registered here, so its data cannot be described.")
    else:
        _show_card(card)
        _show_samples(card.parts[0], board.source)
    command(arguments("crossbench", "report", *results.read, "--task", name))


# ---------------------------------------------------------------------------- results


def _show_results(board: Board, task: str, runs: pd.DataFrame) -> None:
    """Means with intervals and a dot per fold, and the numbers."""
    st.subheader("Results")
    metric = board.metric
    names = [*board.methods, *board.plain]
    means = means_over_runs(board, task, metric)
    rows = [_row(board, name, metric, runs, means.get(name)) for name in names]
    rows = [row for row in rows if row["runs"]]
    if task in (chance := board.chance(metric)):
        rows.append({"name": CHANCE, "value": chance[task]})
    table = pd.DataFrame(rows).astype({"runs": "Int64", "of": "Int64"})
    done = runs[runs["status"] == "ok"].dropna(subset=[metric])
    chart = _fold_chart(table, done.assign(score=done[metric]), title_of(metric), board.methods)
    charts.show(chart, "task", title=f"{title_of(metric)} on {task} by method", data=table)
    st.caption(
        "Small dots: one run each. Large marks: the mean, with its 95 % interval, corrected for "
        "training sets that overlap; none where a run is missing or there are too few."
    )
    named = table.rename(columns=_COLUMNS)
    numbers = st.column_config.NumberColumn(format="%.3f")
    formats = {_COLUMNS[name]: numbers for name in ("value", "std", "low", "high")}
    with st.expander("The numbers"):
        show_frame(named, "task-numbers", title=f"{title_of(metric)} on {task}", formats=formats)


def _row(
    board: Board, name: str, metric: str, runs: pd.DataFrame, mean: Estimate | None
) -> dict[str, Any]:
    own = runs[runs["row"] == name]
    scores = own.loc[own["status"] == "ok", metric].dropna()
    return {
        "name": name,
        "value": scores.mean(),
        "std": scores.std(ddof=0),
        "low": mean.low if mean else None,
        "high": mean.high if mean else None,
        "runs": len(scores),
        "of": len(board.folds),
    }


def _fold_chart(table: pd.DataFrame, runs: pd.DataFrame, title: str, methods: Sequence[str]) -> Any:
    shown = list(table["name"])
    names = [name for name in shown if name in methods]
    plain = [name for name in shown if name not in methods]
    dots = (
        alt.Chart(runs[["row", "score", "seed", "fold"]])
        .mark_point(size=35, opacity=0.6, filled=True)
        .encode(
            x=alt.X("score:Q", axis=charts.few(title), scale=marks.scores()),
            y=charts.names_axis("row", shown),
            yOffset=alt.YOffset("fold:O"),
            color=alt.Color("row:N", scale=marks.colours(names, plain), legend=None),
            tooltip=["row:N", "seed:O", "fold:O", alt.Tooltip("score:Q", format=".3f")],
        )
    )
    return dots + charts.intervals(table, title=title, order=names, plain=plain)


# ------------------------------------------------------------------------ predictions


def _show_predictions(runs: pd.DataFrame, card: TaskCard | None) -> None:
    """Confusion matrix and class balance of one method's test samples."""
    st.subheader("Where it errs")
    done = runs[runs["status"] == "ok"]
    if done.empty:
        st.info("No finished run, so no predictions.")
        return
    name = pick("Whose errors", sorted(done["row"].unique()), "row")
    own = done[done["row"] == name]
    try:
        labels, predicted, count = _pooled(own["path"])
    except RecordError as error:
        st.warning("The predictions cannot be read; press Refresh if the run goes on.")
        st.text(error)
        return
    names = _class_names(card, Path(own["path"].iloc[0]), count)
    confused = pd.crosstab(
        pd.Categorical(labels, range(count)), pd.Categorical(predicted, range(count)), dropna=False
    )
    left, right = st.columns([3, 2])
    with left:
        st.caption(f"Confusion over the test samples of {len(own)} runs; rows add up to one.")
        title = f"Confusion of {name}"
        cells = _cells(confused, names)
        charts.show(_confusion_chart(cells, names), "confusion", title=title, data=cells)
    with right:
        st.caption("Class balance of these test samples.")
        balance = pd.DataFrame({"class": names, "samples": confused.sum(axis=1).to_numpy()})
        charts.show(_balance_chart(balance), "balance", title="Class balance", data=balance)


def _class_names(card: TaskCard | None, path: Path, count: int) -> list[str]:
    """Class names from the card or a record; numbers if neither has them."""
    recorded = [] if card else read_record(path).provenance.get("classes") or []
    names = [str(name) for name in (card.classes if card else recorded)]
    return names if len(names) == count else [str(label) for label in range(count)]


def _pooled(paths: pd.Series[str]) -> tuple[Any, Any, int]:
    """Labels and predicted classes of several runs, and the number of classes."""
    read = [read_predictions(Path(path)) for path in paths]
    labels = np.concatenate([each.label for each in read])
    predicted = np.concatenate([each.log_probabilities.argmax(axis=1) for each in read])
    return labels, predicted, read[0].log_probabilities.shape[1]


def _cells(confused: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """One row a pair of classes: ``true predicted share samples``."""
    count = confused.to_numpy()
    share = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    truth, guess = np.indices(count.shape)
    return pd.DataFrame(
        {
            "true": np.array(names, object)[truth.ravel()],
            "predicted": np.array(names, object)[guess.ravel()],
            "share": share.ravel(),
            "samples": count.ravel(),
        }
    )


def _confusion_chart(cells: pd.DataFrame, names: list[str]) -> Any:
    upright = len(names) > _FEW_CLASSES
    across = charts.whole_names(names, across=True, upright=upright)
    base = alt.Chart(cells).encode(
        x=alt.X("predicted:N", sort=names, title="predicted", axis=across),
        y=alt.Y("true:N", sort=names, title="true", axis=charts.whole_names(names)),
        tooltip=["true:N", "predicted:N", "samples:Q", alt.Tooltip("share:Q", format=".3f")],
    )
    scale = alt.Scale(range=marks.SEQUENTIAL, domain=[0, 0.33, 0.67, 1])
    fill = base.mark_rect().encode(color=alt.Color("share:Q", scale=scale, legend=None))
    text = base.mark_text(fontSize=14).encode(
        text=alt.Text("share:Q", format=".2f"),
        color=alt.condition("datum.share > 0.5", alt.value("white"), alt.value("black")),
    )
    return (fill + text).properties(height=_class_height(names))


def _class_height(names: list[str]) -> int:
    """Pixels for the names of classes below each other, none of them cut."""
    return marks.rows_height(len(names), marks.whole_height(names) + 24)


def _balance_chart(frame: pd.DataFrame) -> Any:
    names = list(frame["class"])
    return (
        alt.Chart(frame)
        .mark_bar(color=marks.PALETTE[0])
        .encode(
            x=alt.X("samples:Q", axis=charts.few("test samples")),
            y=alt.Y("class:N", sort=names, title=None, axis=charts.whole_names(names)),
            tooltip=["class:N", "samples:Q"],
        )
        .properties(height=_class_height(names))
    )


# ------------------------------------------------------------------------------- data


def _show_card(card: TaskCard) -> None:
    """The card, its licence and known faults of the data first."""
    st.subheader("Data card")
    st.text(card.title)
    facts = {
        "Licence": card.licence,
        "Restrictions": card.restrictions,
        "Modality": card.modality,
        "Classes": ", ".join(card.classes),
        "Samples": ", ".join(f"{count} ({whose})" for whose, count in card.samples.items()),
        "Kept together in splits": card.group,
        "Official split": card.official_split,
        "Described at": card.homepage,
        "Cite": " ".join(card.citation.split()),
    }
    left, right = st.columns(2)
    with left:
        st.text("\n\n".join(f"{label}: {fact}" for label, fact in facts.items() if fact))
    with right:
        issues = [f"• {' '.join(issue.split())}" for issue in card.known_issues] or ["none"]
        st.text("\n\n".join(["Known issues:", *issues]))


def _show_samples(card: TaskCard, source: str) -> None:
    """Some samples of each class, where the data is on this machine."""
    st.subheader("Samples")
    data: Literal["real", "phantom"] = "phantom" if source == "phantom" else "real"
    try:
        file = find_file(card, data=data, data_dir=data_dir(), cache_dir=cache_dir())
    except DataError as error:
        st.info("The data is not on this machine.")
        st.text(error)
        return
    if not file.is_file():
        st.info("The phantoms have not been made on this machine; a run makes them.")
    elif switch("Show samples", "samples", on=card.embedded):
        try:
            pictures = _pictures(card.name, data)
        except DataError as error:  # damaged, or not what the card says
            st.error("The data cannot be read.")
            st.text(error)
            return
        for name, picture in pictures:
            st.text(name)
            st.image(picture)
        if caption := find_kind(card.kind).caption:
            st.caption(caption)


@st.cache_resource(show_spinner="Reading samples", max_entries=8)
def _pictures(task: str, data: Literal["real", "phantom"]) -> list[tuple[str, Any]]:
    """One picture a class; the pictures are kept, and the data let go."""
    card = find_task(task)
    kind = find_kind(card.kind)
    dataset = open_task(card, data=data, data_dir=data_dir(), cache_dir=cache_dir())
    return [
        (name, montage(kind, dataset.images, evenly(dataset.labels, label, _SAMPLES)))
        for label, name in enumerate(card.classes)
        if (dataset.labels == label).any()
    ]
