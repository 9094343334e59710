"""The page frame: which results are shown, and the views to go to.

Run by ``crossbench dashboard``, which passes the results folders as arguments.
"""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from crossbench.errors import CrossbenchError
from crossbench.registry.entries import VIEW_GROUP, points
from crossbench_leaderboard.state import EXAMPLE_FOLDERS, Results, arguments, load, plain

if TYPE_CHECKING:
    from collections.abc import Callable

# The `show` of each view that packages register, by its name.
_REGISTERED = {point.entry.name: point.entry.value for point in points(VIEW_GROUP)}

# Title of each view: a module of `crossbench_leaderboard.views`, or registered. They have no icons,
# because Streamlit makes a page's icon its favicon and has the browser fetch that from Google.
VIEWS = {
    "leaderboard": "Leaderboard",
    "method": "Methods",
    "tasks": "Tasks",
    "compare": "Compare",
    "pretraining": "Pretraining",
    "cost": "Cost",
    "runs": "Runs",
    **{name: name.replace("-", " ").capitalize() for name in _REGISTERED},
    "check": "Check",
}
_FRONT = "front"  # never seen: the root stands in its place
# Views with something to say before there is a valid record.
_ALWAYS = ("pretraining", "runs", "check")


def main(folders: list[Path]) -> None:
    """Draw the frame and the view that was chosen."""
    st.set_page_config(page_title="crossbench", layout="wide")
    first = next(iter(VIEWS))
    pages = {
        name: st.Page(
            partial(_view, name, folders),
            title=title,
            url_path=_FRONT if name == first else name,
            default=name == first,
        )
        for name, title in VIEWS.items()
    }
    # Streamlit serves the first page at the root alone, and its own name is an address too.
    named = st.Page(
        partial(_view, first, folders), title=VIEWS[first], url_path=first, visibility="hidden"
    )
    st.session_state["pages"] = pages
    st.navigation([*pages.values(), named], position="top").run()


def _view(name: str, folders: list[Path]) -> None:
    results = _results(folders)
    if results.frame.empty and name not in _ALWAYS:
        _nothing_yet(results)
        return
    st.session_state["view"] = name
    try:
        find_view(name)(results)
    except CrossbenchError as error:
        st.error("This cannot be shown:", icon=":material/error:")
        st.text(error)


def find_view(name: str) -> Callable[[Results], None]:
    """The function that draws a view, imported."""
    place = _REGISTERED.get(name, f"crossbench_leaderboard.views.{name}:show")
    show: Callable[[Results], None] = EntryPoint(name, place, VIEW_GROUP).load()
    return show


def _results(folders: list[Path]) -> Results:
    """The session's results, reloaded on request, and a line about them."""
    line, button = st.columns([6, 1], vertical_alignment="center")
    again = button.button("Refresh", icon=":material/refresh:", type="tertiary")
    if again or st.session_state.get("folders") != folders:
        st.session_state["results"] = load(folders)
        st.session_state["folders"] = folders
        st.session_state["read"] = datetime.now().astimezone()
    results: Results = st.session_state["results"]
    line.caption(plain(_about(results)))
    return results


def _about(results: Results) -> str:
    """What is shown, from where, and when it was read."""
    words = [f"{len(results.frame):,} records in {_where(results)}"]
    if results.broken:
        words.append(f"broken files: {len(results.broken)}, see Runs")
    words += [f"no folder {folder} yet" for folder in results.folders if not folder.is_dir()]
    words.append(f"read at {st.session_state['read']:%H:%M:%S}")
    words.append("the address restores what is chosen")
    return " · ".join(words)


def _where(results: Results) -> str:
    """The folders in words; the examples are named as such."""
    names = [
        "the examples that ship with crossbench: not your own results"
        if folder.resolve() in EXAMPLE_FOLDERS
        else str(folder)
        for folder in results.folders
    ]
    return ", ".join(dict.fromkeys(names)) or "no folder"


def _nothing_yet(results: Results) -> None:
    """What to do when there is no record to show."""
    if results.hosted:
        from crossbench_leaderboard.hosted import show_head, show_submissions

        show_head(results.hosted)
        st.info("No submission is in force.")
        show_submissions(results.hosted)
        return
    where = results.folders[0] if results.folders else Path("results")
    st.title("No results yet")
    st.write("This run takes seconds and writes the first records; then press Refresh.")
    words = ["crossbench", "run", "--preset", "smoke", "--task", "nodule-malignancy-2d"]
    st.code(arguments(*words, "--out", where), language="bash", wrap_lines=True)
    if results.broken:
        st.write(f"Broken files: {len(results.broken)}; Runs shows why.")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
