"""Gains from pretraining, and their contrasts between methods, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.evaluation.metrics import title_of
from crossbench.results.boards.standings import higher_is_better
from crossbench.results.boards.table import NOTHING, Cell, Header, Table
from crossbench.results.boards.transfer import ALPHA, FROM_SCRATCH, transfers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crossbench.results.boards.board import Board
    from crossbench.results.boards.transfer import Contrast, Gain, Test, Transfer

_SHOWN = "*"


def transfer_tables(boards: Iterable[Board], metric: str | None = None) -> list[Table]:
    """A table of gains, and one of contrasts, for each of :func:`transfers`."""
    tables = []
    for transfer in transfers(boards, metric):
        tables.append(gain_table(transfer))
        if transfer.contrasts:
            tables.append(contrast_table(transfer))
    return tables


def gain_table(transfer: Transfer) -> Table:
    """Means and gains, one row per protocol and method."""
    runs = {gain.over_random.result.runs for gain in transfer.gains if gain.over_random}
    how_many = f" over {runs.pop()} paired runs" if len(runs) == 1 else ""
    turned = (
        "" if higher_is_better(transfer.metric) else "; the sign is turned, for lower is better"
    )
    scratch = any(gain.over_scratch for gain in transfer.gains)
    over = f"pretrained less the method's random weights under {FROM_SCRATCH}{turned}"
    notes = (
        f"gain: pretrained less random weights, same method and protocol{turned}.",
        *([f"over scratch: {over}."] if scratch else []),
        f"In brackets: 95 % interval, corrected resampled t{how_many}.",
        f"{_SHOWN} differs at 5 % after Holm over its column.",
        *_power_notes("gain", {_name(gain): gain.over_random for gain in transfer.gains}),
        *_power_notes("over scratch", {_name(gain): gain.over_scratch for gain in transfer.gains}),
        *_weights_notes({_name(gain): gain.over_random for gain in transfer.gains}),
        *(f"Not compared: {reason}." for reason in transfer.missing),
        *transfer.data,
    )
    rows = [
        (
            Header(_name(gain)),
            (
                _score(gain.random),
                _score(gain.pretrained),
                _difference(gain.over_random),
                *([_difference(gain.over_scratch)] if scratch else []),
            ),
        )
        for gain in transfer.gains
    ]
    return Table.of_rows(
        map(Header, ("random", "pretrained", "gain", *(["over scratch"] if scratch else []))),
        rows,
        title=transfer.title,
        subtitle=f"{title_of(transfer.metric)}, means",
        axes=("protocol, method", ""),
        notes=notes,
    )


def contrast_table(transfer: Transfer) -> Table:
    """Differences of gains, one row per protocol and pair of methods."""
    tests = {_contrast_name(each): each.more for each in transfer.contrasts}
    return Table.of_rows(
        (Header("difference of gains"), Header("p after Holm")),
        [
            (
                Header(_contrast_name(each)),
                (
                    _difference(each.more),
                    Cell(text=f"{each.more.p_holm:.2g}", value=each.more.p_holm),
                ),
            )
            for each in transfer.contrasts
        ],
        title=f"Which method gains more · {transfer.title}",
        subtitle=f"{title_of(transfer.metric)}: gain of the first less gain of the second",
        axes=("protocol, methods", ""),
        notes=(
            f"{_SHOWN} differs at 5 % after Holm over the table.",
            *_power_notes("difference", tests),
            *_weights_notes(tests),
        ),
    )


def _name(gain: Gain) -> str:
    return f"{gain.protocol} {gain.method}"


def _contrast_name(contrast: Contrast) -> str:
    return f"{contrast.protocol} {contrast.method} – {contrast.other}"


def _power_notes(what: str, tests: Mapping[str, Test | None]) -> list[str]:
    """The least difference that each row could be expected to show, from row to row."""
    least = {
        name: test.result.detectable(family=test.family, alpha=ALPHA)
        for name, test in tests.items()
        if test is not None and not test.result.identical
    }
    if not least:
        return []
    ends = (min(least, key=least.__getitem__), max(least, key=least.__getitem__))
    words = " to ".join(f"{least[name]:.2f} ({name})" for name in dict.fromkeys(ends))
    return [
        f"{what}: found with 80 % power from {words} on, at the spread seen (Holm's first step)."
    ]


def _weights_notes(tests: Mapping[str, Test | None]) -> list[str]:
    """Caveats of rows whose runs share weights."""
    said = {
        "shared": "Holds for the weights that the runs share",
        "one draw": "From one draw of random weights, which shows nothing of a method",
    }
    rows = {
        weights: [name for name, test in tests.items() if test and test.weights == weights]
        for weights in said
    }
    return [f"{said[weights]}: {', '.join(names)}." for weights, names in rows.items() if names]


def _score(value: float | None) -> Cell:
    return Cell(text="–" if value is None else f"{value:.3f}", value=value)


def _difference(test: Test | None) -> Cell:
    if test is None:
        return NOTHING
    gain = test.result.gain
    interval = "" if gain.low is None else f" ({gain.low:+.2f} to {gain.high:+.2f})"
    return Cell(
        text=f"{gain.value:+.3f}{interval}",
        mark=_SHOWN if test.shown else "",
        value=gain.value,
        low=gain.low,
        high=gain.high,
        count=test.result.runs,
        complete=True,
    )
