"""Conformance reports: a method's kernel from 2D to 3D, and every check."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from crossbench.results.figures.kernels import kernel_path
from crossbench.results.records.folders import file_name
from crossbench_leaderboard.display import show_figure, show_frame, theme
from crossbench_leaderboard.state import arguments

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.specs.conformance import ConformanceReport
    from crossbench_leaderboard.state import Results

_OTHER_STATE = "The report is of another state of the method's code than the latest of these runs."


def show_kept(results: Results, method: str, sha256: str, out: Path) -> None:
    """The report that a results folder keeps of a method, else how to have one there.

    Args:
        results: What is shown.
        method: Name of the method.
        sha256: Identity of the method in its latest run.
        out: Folder that the command writes into.
    """
    st.subheader("Its kernel and its contract")
    own = [report for report in results.reports if report.method == method]
    same = [report for report in own if report.sha256 == sha256]
    for report in (same or own)[:1]:
        if not same:
            st.caption(_OTHER_STATE)
        show_conformance(report, method)
    if not same:
        st.caption("This checks it against the contract, and keeps the report for this page:")
        words = ["crossbench", "check-method", method, "--out", out]
        st.code(arguments(*words), language="bash", wrap_lines=True)


def show_conformance(report: ConformanceReport, name: str) -> None:
    """The kernel and each check with what was measured, those that fail first.

    Args:
        report: The report.
        name: What its files are called, unique on the page.
    """
    counts = Counter[str](check.status for check in report.checks)
    say = st.success if report.passed else st.error
    words = {"pass": "passed", "skip": "skipped", "fail": "failed"}
    say("Conformance: " + ", ".join(f"{counts[each]} {word}" for each, word in words.items()))
    checks = sorted(report.checks, key=lambda check: ("fail", "skip", "pass").index(check.status))
    rows = [
        {
            "Check": check.name,
            "Status": check.status,
            "Demand": check.demand,
            "Tolerance": check.tolerance,
            "Measured": check.measured,
            "Detail": check.example or check.detail,
        }
        for check in checks
    ]
    if report.kernels:
        figure = kernel_path(report.method, report.kernels, theme=theme())
        show_figure(replace(figure, name=f"{figure.name}-{file_name(name)}"))
    with st.expander("Every check"):
        show_frame(pd.DataFrame(rows), f"conformance-{name}", title="Conformance")
