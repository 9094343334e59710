"""One method against another, task by task: gains with intervals, and their probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.results.boards.compare import verdict_frame
from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, field, names_axis, tooltip
from crossbench.results.figures.forest import ONE, forest, gains_axis

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.evaluation.statistics import Comparison
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

VERDICTS = {
    "better": "#0072B2",
    "equivalent": "#009E73",
    "undecided": marks.GREY,
    "no claim": "#BFBFBF",
    "worse": "#D55E00",
}
"""Verdicts on a task, with their colours."""

OUTCOMES = {"better": "#0072B2", "equivalent": marks.GREY, "worse": "#D55E00"}
"""What the posterior probabilities are of, with their colours."""

_ROW = 36


def gains(comparison: Comparison, *, theme: Theme = "light") -> Figure:
    """Forest plot: the mean gain of the candidate on each task, with its interval.

    The band is that of practical equivalence; tasks without a verdict are left out.

    Args:
        comparison: As from :func:`crossbench.results.boards.compare.compare_on`.
        theme: Light or dark.
    """
    frame = tested(comparison)
    metric = comparison.metric_words
    return compose(
        frame,
        _gain_layers(frame, comparison),
        name="gains",
        title=f"{comparison.candidate} against {comparison.baseline}, by task",
        subtitle=[
            f"Gain in {metric}; right of 0 the candidate is better.",
            f"Bars: {1 - comparison.alpha:.0%} intervals (corrected resampled t).",
            f"Band: ±{comparison.rope:g}, practically equivalent.",
        ],
        alt=_in_words(frame, comparison),
        height=marks.rows_height(len(frame), _ROW),
        theme=theme,
    )


def probabilities(comparison: Comparison, *, theme: Theme = "light") -> Figure:
    """Posterior probabilities of better, equivalent and worse, one bar a task."""
    found = tested(comparison)[["task", *OUTCOMES]]
    frame = found.melt("task", var_name="outcome", value_name="probability")
    frame["place"] = frame["outcome"].map(list(OUTCOMES).index)
    tasks = list(dict.fromkeys(frame["task"]))
    said = (f"{row.task}: {row.outcome} {row.probability:.2f}" for row in frame.itertuples())
    return compose(
        frame,
        [_bars(tasks)],
        name="probabilities",
        title=f"How probable it is that {comparison.candidate} is better",
        subtitle=["Posterior of the Bayesian correlated t test, by task."],
        alt=f"Posterior probabilities. {'; '.join(said)}.",
        height=marks.rows_height(len(tasks), _ROW),
        theme=theme,
    )


def tested(comparison: Comparison) -> pd.DataFrame:
    """The tasks of a comparison that have a verdict; see :func:`verdict_frame`."""
    frame = verdict_frame(comparison)
    return frame[frame["reason"] == ""].reset_index(drop=True)


def _in_words(frame: pd.DataFrame, comparison: Comparison) -> str:
    said = [
        f"{row.task} {row.gain:+.3f} ({row.low:+.3f} to {row.high:+.3f}), {row.verdict}"
        for row in frame.itertuples()
    ]
    what = f"Gain of {comparison.candidate} over {comparison.baseline}"
    return f"{what} in {comparison.metric_words}: {'; '.join(said) or 'no task'}."


def _gain_layers(frame: pd.DataFrame, comparison: Comparison) -> list[dict[str, Any]]:
    axis = gains_axis(f"gain in {comparison.metric_words}")
    words = tooltip(task="", verdict="", gain="+.3f", low="+.3f", high="+.3f", p_holm=".2g")
    rope = {"x": {"datum": -comparison.rope} | axis, "x2": {"datum": comparison.rope}}
    return [
        {"data": ONE, "mark": {"type": "rect", "color": marks.GREY, "opacity": 0.25}}
        | {"encoding": rope},
        *forest(frame, "task", "verdict", VERDICTS, axis=axis, words=words),
    ]


def _bars(tasks: list[str]) -> dict[str, Any]:
    """One bar a task, cut into its probabilities."""
    colours = {"domain": list(OUTCOMES), "range": list(OUTCOMES.values())}
    return {
        "mark": {"type": "bar"},
        "encoding": {
            "y": names_axis("task", tasks),
            "x": field(
                "probability",
                scale={"domain": [0, 1]},
                axis=marks.figures_axis("posterior probability"),
            ),
            "order": field("place"),
            "color": field(
                "outcome", "nominal", scale=colours, legend=marks.legend(list(OUTCOMES))
            ),
            "tooltip": tooltip(task="", outcome="", probability=".2f"),
        },
    }
