"""What pretraining is worth, drawn: gains over random weights, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from crossbench.evaluation.metrics import title_of
from crossbench.results.boards.transfer import ALPHA
from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, tooltip
from crossbench.results.figures.forest import forest, gains_axis

if TYPE_CHECKING:
    from crossbench.results.boards.transfer import Transfer
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

#: What is shown of a gain, with its colour.
SHOWN = {
    "pretrained is better": "#0072B2",
    "no difference shown": marks.GREY,
    "pretrained is worse": "#D55E00",
}


def pretraining_gains(transfer: Transfer, *, theme: Theme = "light") -> Figure:
    """Forest plot: the gain of pretrained over random weights, a row a protocol and method.

    Args:
        transfer: As from :func:`crossbench.results.boards.transfer.transfers`; with a gain that
            could be compared.
        theme: Light or dark.
    """
    frame = gain_frame(transfer)
    metric = title_of(transfer.metric)
    return compose(
        frame,
        _layers(frame, f"gain in {metric}"),
        name="pretraining-gains",
        title=f"Gain from pretraining on {transfer.init}",
        subtitle=[
            f"{transfer.task}: {metric} from pretrained less from random weights.",
            "Bars: 95 % intervals (corrected resampled t).",
            f"Coloured where a difference is shown at {ALPHA:.0%} after Holm.",
        ],
        alt=_in_words(frame, metric, transfer),
        height=marks.rows_height(len(frame)),
        theme=theme,
    )


def gain_frame(transfer: Transfer) -> pd.DataFrame:
    """One row a gain that could be compared.

    Columns: ``run`` (protocol and method), ``random pretrained gain low high p_holm shown``.
    """
    better, none, worse = SHOWN
    rows = [
        {
            "run": f"{gain.protocol} · {gain.method}",
            "random": gain.random,
            "pretrained": gain.pretrained,
            "gain": test.result.gain.value,
            "low": test.result.gain.low,
            "high": test.result.gain.high,
            "p_holm": test.p_holm,
            "shown": (better if test.result.gain.value > 0 else worse) if test.shown else none,
        }
        for gain in transfer.gains
        if (test := gain.over_random) is not None
    ]
    columns = ["run", "random", "pretrained", "gain", "low", "high", "p_holm", "shown"]
    return pd.DataFrame(rows, columns=columns).astype({"low": float, "high": float})


def _layers(frame: pd.DataFrame, title: str) -> list[dict[str, Any]]:
    words = tooltip(
        run="", gain="+.3f", low="+.3f", high="+.3f", p_holm=".2g", random=".3f", pretrained=".3f"
    )
    return forest(frame, "run", "shown", SHOWN, axis=gains_axis(title), words=words)


def _in_words(frame: pd.DataFrame, metric: str, transfer: Transfer) -> str:
    said = [f"{row.run} {row.gain:+.3f}, {row.shown}" for row in frame.itertuples()]
    what = f"Gain in {metric} from pretraining on {transfer.init} on {transfer.task}"
    return f"{what}: {'; '.join(said) or 'none'}."
