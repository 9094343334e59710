"""Rows of ``crossbench list tasks``: facts of cards, and of the files a user gets."""

from __future__ import annotations

import textwrap
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.files.data_root import DataRoot
from crossbench.files.sizes import amount
from crossbench.registry.tasks import extra_tasks, load_tasks
from crossbench.specs import MedmnistSource
from crossbench.specs.reader import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Origin

_JOINS = "crossbench data groups"
UNGROUPED = "ungrouped"


def task_rows(root: Path, *, everything: bool = False) -> list[dict[str, Any]]:
    """A row a task, as printed in JSON.

    Args:
        root: The data root, where a file that is there tells its own groups.
        everything: Whether controls and extra tasks are listed too, which ``all`` leaves out.
    """
    usual = load_tasks().values()
    if everything:
        return [_row(card, root) for card in [*usual, *extra_tasks().values()]]
    return [_row(card, root) for card in usual if not card.control]


def short(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of the table, which fit 80 characters."""
    return {
        "name": row["name"],
        "dim": row["dims"],
        "samples": row["samples"],
        "size": _size(row),
        "licence": row["licence"],
        "groups": row["groups"],
    }


def details(row: dict[str, Any], *, width: int = 80) -> str:
    """A task in some lines; addresses and digests are not broken, so that they can be copied."""
    wrap = textwrap.TextWrapper(
        width,
        initial_indent="    ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join([row["name"], *(wrap.fill(text) for text in _said(row) if text)])


def _said(row: dict[str, Any]) -> Iterator[str]:
    """Paragraphs on a task; empty where there is nothing to say."""
    samples = f"{row['samples']} samples" if row["samples"] else ""
    first = (row["title"], row["modality"], row["dims"], f"{row['classes']} classes", samples)
    yield ", ".join(filter(None, [*first, _size(row)]))
    yield ". ".join(filter(None, [f"licence {row['licence']}", row["restrictions"]]))
    apart = row["group"] and row["groups"] == UNGROUPED
    kept = f"; samples of one {row['group']} must stay together" if apart else ""
    yield f"groups: {row['groups']}{kept}"
    yield row["grouping"] or ""
    yield from (file["url"] for file in row["files"])
    yield "" if row["files"] else row["homepage"] or ""
    for file in row["files"]:
        of = f" {file['file']}" if len(row["files"]) > 1 else ""
        yield from (f"{algorithm} {digest}{of}" for algorithm, digest in file["checksum"].items())
    yield row["citation"]


def _row(card: TaskCard, root: Path) -> dict[str, Any]:
    file = _present(card, root)
    files = card.origins[0].files if card.origins else ()
    known = [each.size for each in files]
    size = sum(filter(None, known)) if files and all(known) else None
    exact = all(each.bytes for each in files)
    if size is None and file is not None:
        size, exact = file.stat().st_size, True
    groups = _groups(card, file, root)
    return {
        "name": card.name,
        "title": card.title,
        "dims": f"{card.dimension}D",
        "modality": card.modality,
        "classes": len(card.classes),
        "samples": _samples(card),
        "data": "control" if card.control else "shipped" if card.embedded else "download",
        "licence": card.licence,
        "restrictions": card.restrictions,
        "citation": card.citation,
        "homepage": card.homepage,
        "url": files[0].url if files else card.homepage,
        "checksum": card.checksum,
        "bytes": size,
        "exact": exact,
        "files": [facts(each, "file", "url", "checksum") for each in files],
        "group": card.group,
        "groups": groups or UNGROUPED,
        "grouping": None if groups else _grouping(card),
    }


def _samples(card: TaskCard) -> int | None:
    """Number of samples of the file that a user gets; the paper's may be another."""
    stated = card.origins[0].samples if card.origins else None
    if isinstance(card.source, MedmnistSource):
        stated = stated or card.samples.get("publisher")
    return stated or next(iter(card.samples.values()), None)


def _present(card: TaskCard, root: Path) -> Path | None:
    """The data file that a run would read, where it is there."""
    held = DataRoot(root)
    places = (held.current(card.name), *held.published(card.name, card.source.file))
    if card.embedded:
        places = ((card.path or Path()).parent / card.source.file,)
    return next((place for place in places if place is not None and place.is_file()), None)


def _groups(card: TaskCard, file: Path | None, root: Path) -> str | None:
    """Kind of the groups in the file that is there, or else in the one a user gets."""
    if card.embedded:
        return card.group
    named = card.group or next((each.group for each in card.origins if each.group), "groups")
    if DataRoot(root).groups(card.name).is_file():
        return named
    if file is not None:
        return named if _has_groups(file) else None
    return _imported_groups(card, card.origins[0]) if card.origins else None


def _imported_groups(card: TaskCard, origin: Origin) -> str | None:
    """Kind of the groups of an import; published data files carry none."""
    return (origin.group or card.group) if origin.importer else None


def _grouping(card: TaskCard) -> str:
    """Way to get groups."""
    steps = [step for origin in card.origins for step in origin.steps if _JOINS in step]
    if steps:
        return steps[0]
    for origin in card.origins:
        if groups := _imported_groups(card, origin):
            return f"An import from origin {origin.name} knows them ({groups})."
    return f"What joins groups is said by: {_JOINS} {card.name}"


def _has_groups(file: Path) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            return "groups.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _size(row: dict[str, Any]) -> str | None:
    return amount(row["bytes"], exact=row["exact"]) if row["bytes"] else None
