"""Shared parts of views: the results, commands, links, and text that is shown as it is."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from crossbench.results.records.cache import read_cached

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from crossbench.results.records.store import Broken

#: Results that ship with the dashboard, shown where there are none of one's own.
EXAMPLES = Path(__file__).resolve().parent / "examples"

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


def report_command(results: Results, metric: str | None = None) -> None:
    """Show the command that prints the boards, by the metric that was asked for."""
    asked = [] if metric is None else ["--metric", metric]
    command(arguments("crossbench", "report", *results.folders, *asked))


def command(text: str) -> None:
    """Show the shell command that gives what is on the page."""
    st.caption("The same from the command line:")
    st.code(text, language="bash", wrap_lines=True)


def link_to(view: str, label: str, **query: str) -> None:
    """A link to another view that makes some of its choices; nothing where there is no frame."""
    pages = st.session_state.get("pages", {})
    if view in pages:
        st.page_link(pages[view], label=plain(label), query_params=query)


def arguments(*words: object) -> str:
    """Words as they must be written in a shell."""
    return shlex.join(str(word) for word in words)


def plain(text: object) -> str:
    """Text for where Streamlit takes Markdown, such as headings: shown as it is."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", str(text))
