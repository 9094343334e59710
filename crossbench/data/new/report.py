"""Report on a new task, in plain sentences and as JSON."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from crossbench.data.canonical import plain_spelling
from crossbench.data.words import counted
from crossbench.files.sizes import amount
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossbench.data.importers.build import Imported
    from crossbench.data.new.draft import Draft

_WIDTH = 100
_TOPIC = 15  # characters of the column of topics
_TOPICS = (
    "table",
    "classes",
    "groups",
    "split",
    "channels",
    "orientation",
    "spacing",
    "size",
    "values",
    "DICOM",
    "left out",
    "stored",
    "doubt",
    "identifiers",
    "version",
)
_NOUNS = {"image": "picture", "volume": "volume"}


def in_words(draft: Draft) -> list[str]:
    """Report on a draft, sentence by sentence."""
    said = [*_summary(draft), *((remark.topic, remark.shown) for remark in draft.remarks)]
    said.sort(key=lambda pair: _TOPICS.index(pair[0]))
    noun = _NOUNS[draft.kind]
    lines = [f"{counted(len(draft.samples), noun)} of {len(draft.classes)} classes"]
    before = ""
    for topic, text in said:
        lines += _line("" if topic == before else topic, text)
        before = topic
    return lines


def _summary(draft: Draft) -> Iterator[tuple[str, str]]:
    """Topic and sentence of what the data file will hold."""
    counts = zip(draft.classes, draft.class_counts, strict=True)
    yield "classes", ", ".join(f"{name} {count:,}" for name, count in counts)
    if draft.group:
        number = _groups(draft)
        what = counted(number, "group") + f" ({draft.group})" * (draft.group != "group")
        yield "groups", f"{what}, each of which stays in one part of a split"
    if draft.official:
        yield "split", f"Taken as the official split: {draft.official}"
    shape = "x".join(map(str, draft.shape[1:]))
    channels = "" if draft.shape[0] == 1 else f", {draft.shape[0]} channels"
    yield "stored", f"{shape}{channels}, {draft.dtype}: {amount(draft.size)} in all"


def _groups(draft: Draft) -> int:
    """The number of groups, spellings of one counted once."""
    return len({plain_spelling(sample.group) for sample in draft.samples if sample.group})


def made_in_words(draft: Draft, made: Imported, *, card: Path, root: str | None) -> list[str]:
    """Report on what was written, with the next commands.

    Args:
        draft: What was made.
        made: Its data file.
        card: Where the card lies.
        root: The data root, where the user named one.
    """
    ids = "kept as they are" if draft.choices.keep_ids else "replaced by keyed hashes"
    lines = [line for doubt in made.warnings for line in _line("doubt", doubt)]
    lines += _line("identifiers", f"Names of files and groups are {ids}")
    if made.replaced:
        lines += _line("version", f"{made.file.stem} takes the place of {made.replaced}")
    place = str(card) if card.parent.name else f"./{card}"
    where = f" --data-dir {root}" if root else ""
    return [
        *lines,
        f"\ndata file  {made.file}",
        f"card       {place}",
        f"next       crossbench data verify {place}{where}",
        f"           crossbench run --task {place}{where} --method all --preset smoke",
    ]


def _line(topic: str, text: str) -> list[str]:
    first = f"  {topic:<{_TOPIC - 2}}"
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=first,
        subsequent_indent=" " * _TOPIC,
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_json(
    draft: Draft, *, made: Imported | None = None, card: Path | None = None
) -> dict[str, Any]:
    """The same for programs."""
    report: dict[str, Any] = {
        "name": draft.choices.name,
        "kind": draft.kind,
        "samples": len(draft.samples),
        "classes": dict(zip(draft.classes, draft.class_counts, strict=True)),
        "group": draft.group or None,
        "groups": _groups(draft),
        "official_split": draft.official or None,
        "shape": list(draft.shape),
        "dtype": draft.dtype,
        "bytes": draft.size,
        "preparation": to_mapping(draft.preparation),
        "remarks": [
            {"topic": each.topic, "text": each.text, "names": list(each.names)}
            for each in draft.remarks
        ],
    }
    if made is not None:
        report |= {"file": str(made.file), "content": made.content, "card": str(card)}
        report["replaced"] = made.replaced or None
    return report
