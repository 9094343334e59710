"""A page a method: what it is, what it costs, every task, its runs, and how to run it."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from crossbench.registry.entries import method_entries
from crossbench.registry.method_origin import registered_metadata
from crossbench.results.boards.pareto import COSTS, costs_of
from crossbench.results.boards.profile import profile
from crossbench.results.boards.tables import failures
from crossbench.results.figures.profile import method_profile
from crossbench.results.records.files import read_record
from crossbench.results.records.method_origin import MethodOrigin
from crossbench.results.records.reproduce import command_of, left_to_add, request_of, united
from crossbench_leaderboard.choices import pick, pick_board
from crossbench_leaderboard.conformance import show_kept
from crossbench_leaderboard.display import show_figure, show_frame, show_table, theme
from crossbench_leaderboard.hosted import show_submission, signed, submissions_of
from crossbench_leaderboard.state import link_to, out_folder, plain

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.registry.entries import MethodEntry
    from crossbench.results.boards.board import Board
    from crossbench.specs.method_metadata import MethodMetadata
    from crossbench_leaderboard.state import Results

_TASKS = {
    "task": "Task",
    "text": "Score",
    "low": "95 % interval from",
    "high": "to",
    "place": "Place",
    "of": "Of",
    "beside_best": "Beside the best",
    "majority": "Majority class",
    "chance": "Chance",
    "runs": "Runs",
    "row": "Version",
}
_ALWAYS, _NOT_STATED = ("Authors", "Licence", "Source"), "not stated"
_WIDTH = 170


def show(results: Results) -> None:
    """Draw the view."""
    networks = results.frame[results.frame["protocol"] != "plain"]
    if networks.empty:
        st.title("Methods")
        st.info("Only plain baselines were run here, and no method.")
        return
    name = pick("Method", sorted(networks["method"].unique()), "method")
    own = networks[networks["method"] == name]
    record = read_record(Path(own.sort_values("started")["path"].iloc[-1]))
    origin = MethodOrigin.of(record)
    _what_it_is(name, origin, signed(results.hosted, name))
    _counts(own)
    st.subheader("Every task of a board")
    board, _ = pick_board(results.frame, of=name)
    if board is not None:
        _on_a_board(board, name)
        _how_to_run(board, name, str(out_folder(results)))
    for submission in submissions_of(results.hosted, name):
        show_submission(submission)
    if not results.hosted:
        show_kept(results, name, origin.sha256, out_folder(results))


# ------------------------------------------------------------------------ what it is


def _what_it_is(name: str, origin: MethodOrigin, submitted: dict[str, str]) -> None:
    """Summary, authors, source and licence, as its latest record or its bundle tells them."""
    st.title(plain(name))
    entry = method_entries().get(name)
    if summary := origin.summary or (entry.summary if entry else ""):
        st.text(summary)
    silent = not submitted and not any(astuple(origin.metadata))
    registered = registered_metadata(entry) if entry and silent else None
    facts = submitted | _facts(origin, entry, registered)
    facts = {label: facts.get(label, _NOT_STATED) for label in _ALWAYS} | facts
    left, right = st.columns(2)
    half = (len(facts) + 1) // 2
    for column, part in ((left, [*facts][:half]), (right, [*facts][half:])):
        column.text("\n".join(f"{label}: {facts[label]}" for label in part))
    metadata = registered or origin.metadata
    with st.container(horizontal=True):
        for label, address in {"Paper": metadata.paper_url, "Home page": metadata.url}.items():
            if address:
                st.link_button(label, address, icon=":material/open_in_new:")


def _facts(
    origin: MethodOrigin, entry: MethodEntry | None, registered: MethodMetadata | None
) -> dict[str, str]:
    """What is known, by name; of what the record is silent about, the registered method tells."""
    metadata, of_here = registered or origin.metadata, ", as registered here" * bool(registered)
    source = " ".join(filter(None, [origin.distribution, origin.version, origin.file]))
    if not source and entry:
        source = f"{entry.distribution} {entry.version}, as registered here"
    commit = origin.commit[:12] + " with changes" * origin.dirty
    built = ", ".join(f"{key} = {value}" for key, value in origin.config.items())
    facts = {
        **{
            label: fact + of_here
            for label, fact in {
                "Authors": ", ".join(metadata.authors),
                "Licence": metadata.licence,
                "Paper": metadata.paper,
            }.items()
            if fact
        },
        "Source": source,
        "Commit": commit,
        "Built with": built,
        "Files": ", ".join(map(str, origin.files)),
        "Identity": origin.sha256[:16],
    }
    return {label: fact for label, fact in facts.items() if fact}


def _counts(own: pd.DataFrame) -> None:
    """Runs, tasks and costs; a cost is the mean over its finished runs."""
    done = own[own["status"] == "ok"]
    counts = {
        "Tasks": str(own["task"].nunique()),
        "Runs": f"{len(own):,}",
        "Without a result": f"{len(own) - len(done):,}",
    }
    if "parameters_total" in done and len(done):
        counts["Parameters, largest network"] = _short(done["parameters_total"].max())
    if "cost_gmacs" in done and len(done):
        counts["GMACs a sample, most"] = f"{done['cost_gmacs'].max():.3g}"
    with st.container(horizontal=True):
        for label, count in counts.items():
            st.metric(label, count, width=_WIDTH)


def _short(count: float) -> str:
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count:,.0f}"


# ------------------------------------------------------------------------- its tasks


def _on_a_board(board: Board, name: str) -> None:
    """Every task of a board with its interval and place, and what the runs cost there."""
    show_figure(method_profile(board, name, theme=theme()))
    table = profile(board, name)
    if table["row"].nunique() < 2:
        table = table.drop(columns="row")
    shown = table[[column for column in _TASKS if column in table]].rename(columns=_TASKS)
    number = st.column_config.NumberColumn(format="%.3f")
    numbers = (_TASKS[name] for name in ("low", "high", "majority", "chance"))
    formats = dict.fromkeys(numbers, number)
    with st.expander("The numbers"):
        show_frame(shown, "method-tasks", title=f"{name} by task", formats=formats)
    _costs(board, name)
    for lost in failures(board.runs[board.runs["method"] == name]):
        show_table(lost, "failures")
    with st.container(horizontal=True):
        link_to("runs", "Its runs, one by one", methods=name)
        link_to("compare", "Compared with another method", baseline=name)


def _costs(board: Board, name: str) -> None:
    """Mean costs of the finished runs, by machine where it matters."""
    runs = board.runs[(board.runs["method"] == name) & (board.runs["status"] == "ok")]
    known = costs_of(runs)
    if not known:
        return
    means = runs.groupby("hardware")[known].mean().rename(columns=COSTS)
    frame = means.rename_axis("Machine").reset_index()
    with st.expander("What its runs cost here"):
        show_frame(frame, "method-costs", title=f"Cost of {name}")


# ------------------------------------------------------------------------ how to run it


def _how_to_run(board: Board, name: str, out: str) -> None:
    """The command of all its runs on a board."""
    st.subheader("How to run it")
    own = board.runs[board.runs["method"] == name].sort_values("started", kind="stable")
    records = [read_record(Path(path)) for path in own.drop_duplicates("task", keep="last")["path"]]
    request = replace(
        united([request_of(record) for record in records]),
        seeds=tuple(sorted(map(int, own["seed"].unique()))),
        folds=tuple(sorted(map(int, own["fold"].unique()))),
    )
    st.code(command_of(request, out), language="bash", wrap_lines=True)
    added = dict.fromkeys(each for record in records for each in left_to_add(record))
    st.caption(plain(" ".join(added)))
