"""The submissions of a hosted board: those in force, and what became of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from crossbench.errors import CrossbenchError
from crossbench_leaderboard.conformance import show_conformance
from crossbench_leaderboard.display import show_frame
from crossbench_leaderboard.state import NONE, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.hosting.folder import HostedBoard
    from crossbench.hosting.submission import Submission

_LOST = "its bundle cannot be read"


def show_head(boards: Sequence[HostedBoard]) -> None:
    """Title and description, as the boards have them."""
    st.title(plain(" · ".join(board.settings.title for board in boards)))
    for board in boards:
        st.text(board.settings.description)


def show_submissions(boards: Sequence[HostedBoard]) -> None:
    """Every submission that was accepted, with its state."""
    found = [each for board in boards for each in board.submissions]
    if not found:
        return
    st.subheader("Submissions")
    rows = [_row(each) for each in found]
    show_frame(pd.DataFrame(rows), "submissions", title="Submissions")


def submissions_of(boards: Sequence[HostedBoard], method: str) -> Iterator[Submission]:
    """The submissions of a method, the latest first."""
    found = [each for board in boards for each in board.submissions if each.method == method]
    yield from reversed(found)


def _row(submission: Submission) -> dict[str, str]:
    return {
        "Submission": submission.id,
        "Method": submission.method,
        "Accepted": submission.date,
        "State": submission.fate,
        **_manifest(submission),
    }


def signed(boards: Sequence[HostedBoard], method: str) -> dict[str, str]:
    """Authors and licence of a method as its submission in force states them, if one is."""
    for submission in submissions_of(boards, method):
        if submission.state == "in force":
            told = _manifest(submission)
            return {"Authors": told["Authors"], "Licence": told["Licence"]}
    return {}


def show_submission(submission: Submission) -> None:
    """One bundle: its state, its conformance report, and the file itself."""
    st.subheader(plain(f"Submission {submission.id}"))
    st.text(f"Accepted on {submission.date}, {submission.fate}")
    try:
        _show_bundle(submission)
    except CrossbenchError as error:
        st.error("Its bundle cannot be read:")
        st.text(error)


def _show_bundle(submission: Submission) -> None:
    manifest = submission.manifest
    facts = {
        "Authors": ", ".join(manifest.authors),
        "Licence": manifest.licence,
        "Track": manifest.track or "none",
        "Grid": "partial: runs are missing" if manifest.partial else "complete",
        "Note": manifest.note,
        "Digest": manifest.digest,
    }
    st.text("\n".join(f"{label}: {fact}" for label, fact in facts.items() if fact))
    st.download_button(
        "Download the bundle",
        submission.bundle.read_bytes,
        file_name=submission.bundle.name,
        mime="application/zip",
        key=f"bundle-{submission.id}",
        on_click="ignore",
        icon=":material/folder_zip:",
    )
    if submission.conformance is None:
        st.caption("The bundle holds no report of a conformance check.")
    else:
        show_conformance(submission.conformance, submission.id)


def _manifest(submission: Submission) -> dict[str, str]:
    try:
        manifest = submission.manifest
    except CrossbenchError:
        return {"Authors": _LOST, "Licence": NONE, "Complete": NONE}
    return {
        "Authors": ", ".join(manifest.authors),
        "Licence": manifest.licence,
        "Complete": "partial" if manifest.partial else "complete",
    }
