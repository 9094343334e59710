"""Shared parts of views: the results, commands, links, and text that is shown as it is."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from crossbench.results.records.cache import read_cached
from crossbench.results.records.conformances import find_reports

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from crossbench.hosting.folder import HostedBoard
    from crossbench.results.records.store import Broken
    from crossbench.specs.conformance import ConformanceReport

#: Results that ship with the dashboard, shown where there are none of one's own.
EXAMPLES = Path(__file__).resolve().parent / "examples"

#: Every folder of them: those of nodules, and those of computed tomography.
EXAMPLE_FOLDERS = (EXAMPLES, EXAMPLES.with_name("examples_ct").resolve())

#: What stands where there is nothing to say.
NONE = "–"

_FEW = 20


@dataclass(frozen=True, eq=False)
class Results:
    """The results on display; views never change them.

    Attributes:
        folders: The results folders and hosted boards that were asked for.
        read: Where the records are read from: of a hosted board, a folder in the cache.
        frame: The valid records, one row each, as from
            :func:`~crossbench.results.records.loading.load_results`; without columns if there is
            none.
        broken: The files that are no valid records, and why.
        hosted: The boards of accepted bundles among the folders.
        reports: The conformance reports in the folders.
    """

    folders: tuple[Path, ...]
    frame: pd.DataFrame
    broken: tuple[Broken, ...]
    read: tuple[Path, ...] = ()
    hosted: tuple[HostedBoard, ...] = ()
    reports: tuple[ConformanceReport, ...] = ()


def load(folders: Sequence[Path]) -> Results:
    """The results in these folders, with a progress bar while many records are new.

    Of a hosted board, they are those of the submissions in force.
    """
    bar = st.empty()

    def progress(folder: Path, done: int, total: int) -> None:
        if total > _FEW and done % _FEW == 0:
            text = f"Reading new records in {plain(folder)}: {done} of {total}"
            bar.progress(done / total, text=text)

    hosted, read = _opened(folders)
    records = read_cached(read, progress=progress)
    bar.empty()
    reports, unread = find_reports([folder for folder in read if folder.is_dir()])
    return Results(
        folders=tuple(folders),
        frame=records.frame,
        broken=(*records.broken, *unread),
        read=tuple(read),
        hosted=hosted,
        reports=tuple(report for _, report in reports),
    )


def _opened(folders: Sequence[Path]) -> tuple[tuple[HostedBoard, ...], list[Path]]:
    """The hosted boards among the folders, and the results folders to read."""
    from crossbench.hosting.folder import is_board, open_board, results_folders

    hosted = tuple(open_board(folder) for folder in folders if is_board(folder))
    read = [results_folders(folder) if is_board(folder) else [folder] for folder in folders]
    return hosted, [folder for some in read for folder in some]


def out_folder(results: Results) -> Path:
    """Output folder of suggested commands: the one shown; never the examples or a hosted board."""
    others = [*EXAMPLE_FOLDERS, *(board.folder.resolve() for board in results.hosted)]
    shown = [folder for folder in results.folders if folder.resolve() not in others]
    return shown[0] if shown else Path("results")


def report_command(results: Results, metric: str | None = None) -> None:
    """Show the command that prints the boards, by the metric that was asked for."""
    asked = [] if metric is None else ["--metric", metric]
    command(arguments("crossbench", "report", *results.read, *asked))


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
