"""A verdict on a task's data as tables, and as a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.results.boards.table import Cell, Header, Table
from crossbench.results.report.render import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.data.verify import Shortcut, Verdict

_NOTES = (
    "Border: mean, deviation and blank share of the outer sixteenth of each side.",
    "Histogram: shares of 16 equal parts of the range of all samples.",
    "Acquisition: what the file holds of the originals, such as sizes. Sites: where they are from.",
    "A network is to be judged by how far it exceeds these, which have not seen what is shown.",
)
_LEVELS = {"holds": "holds", "remark": "note", "fault": "FAULT"}


def verdict_tables(verdict: Verdict) -> list[Table]:
    """What was looked at, what each check found, and what plain models get."""
    faults = [each.check for each in verdict.findings if each.level == "fault"]
    found = Table.of_words(
        ("check", "", "finding"),
        [(each.check, _LEVELS[each.level], each.text) for each in verdict.findings],
        title=verdict.sentence,
        caution=f"Does not hold: {', '.join(faults)}" if faults else "",
    )
    shortcuts = [_shortcuts(verdict)] if verdict.shortcuts else []
    said = [(name, value) for name, value in _identity(verdict) if value]
    return [found, *shortcuts, Table.of_words(("", "value"), said, title="What was verified")]


def verdict_page(verdict: Verdict, montage: bytes) -> str:
    """The verdict as one self-contained HTML page.

    Args:
        verdict: The verdict.
        montage: A PNG picture of samples of each class; empty where the file cannot be opened.
    """
    from crossbench.results.report.html import Figure, to_html

    caption = f"Samples of {verdict.title}, drawn at random from each class, and their intensities."
    figures = [Figure(title="Samples by class", png=montage, caption=caption)] if montage else []
    title = f"Verdict on {verdict.title}"
    return to_html([printable(each) for each in verdict_tables(verdict)], title, figures)


def _shortcuts(verdict: Verdict) -> Table:
    sets = dict.fromkeys(each.features for each in verdict.shortcuts)
    models = dict.fromkeys(each.model for each in verdict.shortcuts)
    cells = {(each.features, each.model): _score(each) for each in verdict.shortcuts}
    majority = verdict.shortcuts[0].majority
    return Table.of_rows(
        [*(Header(model) for model in models), Header("majority class", aside=True)],
        [
            (
                Header(name),
                (*(cells[name, model] for model in models), Cell(text=f"{majority:.3f}")),
            )
            for name in sets
        ],
        title="What plain models get from the acquisition alone",
        subtitle="Balanced accuracy of five standard folds, with its 95 % interval.",
        axes=("features", "model"),
        notes=_NOTES,
    )


def _score(found: Shortcut) -> Cell:
    interval = f"{found.low:.3f} to {found.high:.3f}" if found.low is not None else ""
    return Cell(
        text=f"{found.score:.3f}",
        detail=interval,
        value=found.score,
        low=found.low,
        high=found.high,
    )


def _identity(verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "task", f"{verdict.task} ({verdict.title})"
    yield "file", verdict.file
    yield "imported by", verdict.origin
    yield from verdict.digests.items()
    yield "content", verdict.content
    if verdict.samples:
        counts = (f"{count:,} {name}" for name, count in verdict.classes.items())
        yield "samples", f"{verdict.samples:,} of {verdict.form}"
        yield "classes", ", ".join(counts)
        yield "groups", _groups(verdict)
    yield "by", f"crossbench {verdict.version}"


def _groups(verdict: Verdict) -> str:
    if verdict.groups is None:
        return "none"
    joined = f", joined from {verdict.grouped_by}" if verdict.grouped_by else ""
    return f"{verdict.groups:,}{joined}"
