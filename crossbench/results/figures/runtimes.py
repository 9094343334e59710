"""What benches measured on each machine: times as multiples of the baseline's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.results.boards.benches import latest_of
from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, field, names_axis, tooltip
from crossbench.results.figures.forest import dots

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

_EACH, _GAP = 14, 12  # pixels of a method, and between cases
_EVEN = 1.0
_KINDS = {"ops": "layer", "models": "network"}


def workloads(frame: pd.DataFrame) -> list[str]:
    """What was timed, in words, each of them a chart: ``2D network, forward``."""
    return [] if frame.empty else sorted(set(map(_workload, _ratios(frame).itertuples())))


def runtimes(frame: pd.DataFrame, workload: str, *, theme: Theme = "light") -> list[Figure]:
    """One chart a machine: the time of each method in each case against the baseline's.

    Args:
        frame: As from :func:`crossbench.results.boards.bench_frame.bench_frame`.
        workload: One of :func:`workloads`.
        theme: Light or dark.
    """
    own = _ratios(frame)
    own = own[[_workload(row) == workload for row in own.itertuples()]]
    machines = own.groupby(["machine", "fingerprint"], sort=True)
    return [
        _chart(part, f"{workload}, on {machine}", number, theme)
        for number, ((machine, _), part) in enumerate(machines, 1)
    ]


def _ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """The latest measurements that were compared with a baseline."""
    latest = latest_of(frame)
    return latest[latest["ratio"].notna() & (latest["method"] != latest["baseline"])]


def _chart(own: pd.DataFrame, where: str, number: int, theme: Theme) -> Figure:
    own = own.assign(
        what=[f"{row.case}, batch\N{NO-BREAK SPACE}{row.batch}" for row in own.itertuples()]
    )
    cases, methods = list(dict.fromkeys(own["what"])), list(dict.fromkeys(own["method"]))
    baseline = " and ".join(sorted(own["baseline"].unique()))
    columns = ["what", "method", "ratio", "ratio_low", "ratio_high", "ms", "repeats", "threads"]
    return compose(
        own[columns].reset_index(drop=True),
        _layers(cases, methods, baseline),
        name=f"runtimes-{number}",
        title=f"Time against {baseline}",
        subtitle=[
            f"{where}.",
            f"Right of 1 a method is slower than {baseline}. Bars: 95 % intervals of the ratio.",
        ],
        alt=_in_words(own, where, baseline),
        height=marks.rows_height(len(cases), _EACH * len(methods) + _GAP),
        theme=theme,
    )


def _workload(row: Any) -> str:
    return f"{row.dimension:.0f}D {_KINDS.get(row.kind, 'run')}, {row.workload}"


def _in_words(own: pd.DataFrame, where: str, baseline: str) -> str:
    said = [f"{row.method}, {row.what}: {row.ratio:.2f}" for row in own.itertuples()]
    return f"Time as a multiple of {baseline}'s: {where}. {'; '.join(said)}."


def _layers(cases: list[str], methods: list[str], baseline: str) -> list[dict[str, Any]]:
    offset = field("method", "nominal", scale={"domain": methods})
    place = {"y": names_axis("what", cases), "yOffset": offset}
    x = {
        "scale": {"zero": False, "nice": False, "padding": 16},
        "axis": marks.figures_axis(f"multiple of the time of {baseline}"),
    }
    look = marks.look("method", methods, shown=methods)
    shown = tooltip(what="", method="", ratio=".2f", ratio_low=".2f", ratio_high=".2f", ms=",.4~g")
    return [
        {
            "mark": {"type": "rule", "color": marks.GREY, "strokeDash": [4, 3]},
            "encoding": {"x": {"datum": _EVEN, **x}},
        },
        *dots(place, ("ratio", "ratio_low", "ratio_high"), look, axis=x, words=shown, size=90),
    ]
