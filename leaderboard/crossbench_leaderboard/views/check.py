"""Validity of the files in a results folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from crossbench.results.records.store import Found, Store
from crossbench.results.records.validation import examine
from crossbench_leaderboard.display import show_frame
from crossbench_leaderboard.state import arguments, command
from crossbench_leaderboard.uploads import MAX_BYTES, unpack

if TYPE_CHECKING:
    from crossbench.results.records.store import Broken
    from crossbench.specs import RunRecord
    from crossbench_leaderboard.state import Results

_VALID, _UNSEALED, _INVALID = "valid", "valid, unsealed", "not valid"
_LOCAL = ("localhost", "127.0.0.1", "::1")


def show(results: Results) -> None:
    """Draw the view."""
    st.title("Check")
    st.write(
        "Drop records here, or a zip archive of a results folder, to see which are valid and why "
        "the others are not. Every metric is computed again from its predictions. The files are "
        "read in a temporary folder and thrown away."
    )
    uploads = st.file_uploader(
        f"Records (.json with their .npz) or archives (.zip), {MAX_BYTES // 2**20} MiB at most",
        type=["zip", "json", "npz"],
        accept_multiple_files=True,
        key="check-uploads",
    )
    if uploads:
        with tempfile.TemporaryDirectory() as folder:
            unpack([(upload.name, upload) for upload in uploads], Path(folder))
            _show_files(Path(folder))
    # Who reaches this page over a network must not look around on this machine.
    if st.get_option("server.address") not in _LOCAL:
        return
    hint = str(results.folders[0]) if results.folders else ""
    text = st.text_input("Or a folder on this machine", placeholder=hint, key="check-folder")
    if not uploads and text:
        _show_folder(Path(text).expanduser())


def _show_folder(folder: Path) -> None:
    if not folder.is_dir():
        st.warning("There is no such folder.")
        return
    _show_files(folder)
    command(arguments("crossbench", "validate", folder))


def _show_files(folder: Path) -> None:
    """One row a file, the invalid ones first."""
    with st.spinner("Computing every metric again"):
        read = (examine(path) for path in Store(folder).files())
        rows = [_row(item, folder) for item in read if item is not None]
    if not rows:
        st.info("There is no JSON file in it.")
        return
    table = pd.DataFrame(rows).sort_values("Record", kind="stable")
    valid = int((table["Record"] != _INVALID).sum())
    say = st.success if valid == len(table) else st.warning
    say(f"{valid} of {len(table)} JSON files are valid records.")
    show_frame(table, "check", title="Records")


def _row(item: Found[RunRecord] | Broken, folder: Path) -> dict[str, str]:
    verdict = _INVALID
    if isinstance(item, Found):
        verdict = _VALID if item.record.sealed else _UNSEALED
    return {
        "Record": verdict,
        "File": str(item.path.relative_to(folder)),
        "Why not": "" if isinstance(item, Found) else item.reason,
    }
