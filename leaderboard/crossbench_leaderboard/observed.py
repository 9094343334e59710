"""Per-layer diagnostics of one run, picked by the reader of a view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from crossbench.errors import RecordError
from crossbench.results.records.diagnostics import read_diagnostics
from crossbench.results.records.files import read_record
from crossbench.results.records.reproduce import run_command
from crossbench_leaderboard.choices import pick
from crossbench_leaderboard.state import arguments, command, out_folder

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.results.records.diagnostics import Diagnostics
    from crossbench.specs import RunRecord
    from crossbench_leaderboard.state import Results


class Observed(NamedTuple):
    """A run and its diagnostics."""

    record: RunRecord
    diagnostics: Diagnostics | None


def observed(results: Results) -> list[Observed]:
    """Every run with diagnostics; those that cannot be read are named on the page."""
    frame = results.frame
    runs = [_read(Path(path)) for path in _with_diagnostics(frame)["path"]]
    return [run for run in runs if run is not None]


def picked_run(results: Results, *, method: str, key: str) -> Observed | None:
    """A run that has diagnostics; None, and the reason in words, where there is none to show.

    Args:
        results: What is shown.
        method: The method that the advice on new runs names.
        key: Name of the choice in the address.
    """
    runs = _with_diagnostics(results.frame)
    if runs.empty:
        advise(results, "No run here has diagnostics", method=method)
        return None
    return _read(Path(_pick(runs, key)["path"]))


def advise(results: Results, lack: str, **options: str) -> None:
    """Say what there is none of, and the command whose runs have it."""
    st.info(f"{lack}. A new run writes them beside its record when asked:")
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    ends: list[object] = ["--diagnostics", "--out", out_folder(results)]
    st.code(arguments("crossbench", "run", *words, *ends), language="bash", wrap_lines=True)


def _read(path: Path) -> Observed | None:
    try:
        record = read_record(path)
        return Observed(record, read_diagnostics(path, record))
    except RecordError as error:
        st.error("The diagnostics cannot be read:")
        st.text(str(error))
        return None


def show_command(record: RunRecord) -> None:
    """The command that gives a run diagnostics."""
    st.caption("What is done is not run again, so a run gets its diagnostics in a new folder:")
    command(f"{run_command(record, 'diagnostics')} --diagnostics")


def _with_diagnostics(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs with diagnostics beside their records."""
    networks = (frame["status"] == "ok") & (frame["protocol"] != "plain")
    return frame[networks & (frame["diagnostics"] != "")]


def _pick(runs: pd.DataFrame, key: str) -> Any:
    columns = ["method", "task", "seed", "fold", "preset", "init", "identity"]
    names = [
        f"{method} on {task}, seed {seed}, fold {fold} · {preset}, init {init} · {identity[:8]}"
        for method, task, seed, fold, preset, init, identity in runs[columns].itertuples(
            index=False
        )
    ]
    return runs.iloc[names.index(pick("Run", names, key))]
