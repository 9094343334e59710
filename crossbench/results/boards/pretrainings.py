"""Pretrained networks as in the paper's Table I, beside its reported figures."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from crossbench.evaluation.metrics import METRICS
from crossbench.results.boards.columns import PARTIAL
from crossbench.results.boards.published import table1
from crossbench.results.boards.table import NOTHING, Cell, Header, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossbench.results.records.kinds import Found
    from crossbench.results.records.pretrainings import PretrainRecord

_COLUMNS = ("precision", "recall", "f1", "balanced_accuracy", "accuracy")
_SPEED = Header("images/s", "training", aside=True)
_PARTIAL_NOTE = (
    f"{PARTIAL} of some networks a mean over fewer classes, for the validation part lacks one."
)
_NOTES = (
    "Figures are of the validation part: rows of different data are not comparable.",
    "Reported figures are the paper's, not measured here.",
)


def pretrain_tables(found: Iterable[Found[PretrainRecord]]) -> list[Table]:
    """Table I of the networks that were pretrained here; nothing where there are none.

    Networks of one recipe, which differ in seed and fold, share a row: their mean and population
    standard deviation.
    """
    recipes: dict[tuple[str, str, str], list[PretrainRecord]] = defaultdict(list)
    found = list(found)
    for _, record in sorted(found, key=lambda each: (each.record.data, each.record.layers)):
        recipes[record.data, record.layers, record.recipe].append(record)
    if not recipes:
        return []
    partial = any(name in record.partial for _, record in found for name in _COLUMNS)
    rows = {_header(records): _cells(records) for records in recipes.values()}
    for row in table1().to_dict("records"):
        header = Header(f"{row['method']} on {row['init']}", f"reported, {row['source']}", True)
        rows[header] = [*(_cell([row[name]]) for name in _COLUMNS), NOTHING]
    return [
        Table.of_rows(
            [*(Header(METRICS[name].title) for name in _COLUMNS), _SPEED],
            rows.items(),
            title="Pretraining",
            subtitle="As in Table I: macro averages, balanced accuracy and accuracy",
            axes=("network", "metric"),
            notes=(*_NOTES, *[_PARTIAL_NOTE] * partial),
        )
    ]


def _header(records: Sequence[PretrainRecord]) -> Header:
    """Name and facts of a recipe, unique among recipes."""
    first = records[0]
    facts = [
        first.backbone,
        f"{first.settings['epochs']} epochs",
        f"{len(records)} network{'s' * (len(records) > 1)}",
        f"recipe {first.recipe[:8]}",
    ]
    if first.source == "phantom":
        facts.insert(0, "PHANTOM DATA")
    return Header(f"{first.layers} on {first.data}", ", ".join(facts))


def _cells(records: Sequence[PretrainRecord]) -> list[Cell]:
    speed = fmean(record.throughput for record in records)
    measured = [_measured(records, name) for name in _COLUMNS]
    return [*measured, Cell(text=f"{speed:,.0f}", value=speed)]


def _measured(records: Sequence[PretrainRecord], metric: str) -> Cell:
    """Mean of a metric, marked where a validation part lacks a class."""
    cell = _cell([record.metrics.get(metric) for record in records])
    partial = any(metric in record.partial for record in records)
    return replace(cell, mark=PARTIAL) if partial and cell.value is not None else cell


def _cell(values: Sequence[float | None]) -> Cell:
    known = [value for value in values if value is not None]
    if not known:
        return NOTHING
    mean, spread = fmean(known), pstdev(known)
    text = f"{mean:.4f} ± {spread:.4f}" if len(known) > 1 else f"{mean:.4f}"
    return Cell(text=text, value=mean, spread=spread, count=len(known))
