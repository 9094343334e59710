"""Registered task cards by name."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.registry.entries import KEBAB_CASE, missing_task_packages, task_folders
from crossbench.specs import TaskCard
from crossbench.specs.reader import check, from_mapping
from crossbench.specs.toml import read_toml

#: Length of a hexadecimal digest by the algorithm that a card may name.
_DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


def load_tasks() -> dict[str, TaskCard]:
    """All registered task cards by name, in the order of their packages and files.

    A card that cannot be read does not keep the others from loading; :func:`task_faults`
    tells what is wrong with it.
    """
    return dict(_registered()[0])


def task_faults() -> tuple[str, ...]:
    """What keeps registered cards from loading, one message each; empty when all is well."""
    return _registered()[1]


def find_task(name: str) -> TaskCard:
    """The card of a registered task, or of the card file that ``name`` is a path to.

    Raises:
        RequestError: If no task has this name, with the nearest names and with what keeps
            other cards from loading.
        CardError: If the file is malformed.
    """
    if name.endswith(".toml"):
        return load_card(Path(name))
    cards = load_tasks()
    if name not in cards:
        raise RequestError("\n".join([str(unknown_name("task", name, cards)), *task_faults()]))
    return cards[name]


def load_card(file: Path) -> TaskCard:
    """Read and check one task card.

    Raises:
        CardError: If the file is unreadable, or a key is missing, unknown, of the wrong
            type, or at odds with another key.
    """
    card = from_mapping(TaskCard, read_toml(file), where=str(file))
    _check_card(card, where=str(file))
    return dataclasses.replace(card, path=file.resolve())


@cache
def _registered() -> tuple[dict[str, TaskCard], tuple[str, ...]]:
    """The cards that load, by name, and a message for each that does not."""
    faults = list(missing_task_packages())
    found: dict[str, list[TaskCard]] = defaultdict(list)
    for folder in task_folders().values():
        for file in sorted(folder.glob("*.toml"), key=lambda file: file.stem):
            try:
                card = load_card(file)
            except CardError as error:
                faults.append(str(error))
            else:
                found[card.name].append(card)
    for name, cards in found.items():
        if len(cards) > 1:  # neither may pass for the other
            files = " and ".join(str(card.path) for card in cards)
            faults.append(f"task {name!r} is declared by {files}; remove or rename one of them")
    return {name: cards[0] for name, cards in found.items() if len(cards) == 1}, tuple(faults)


def _check_card(card: TaskCard, *, where: str) -> None:
    count, axes, embedded = len(card.classes), card.dimension, card.embedded
    check(
        card,
        ("name", KEBAB_CASE.fullmatch(card.name), "it must be in kebab case: 'brain-tumor'"),
        ("version", card.version >= 1, "versions count from 1"),
        ("classes", count >= 2, "a task has two or more"),
        ("classes", len(set(card.classes)) == count, "each name must differ from the others"),
        ("classes", count == 2 or not embedded, "an embedded source is thresholded into two"),
        ("samples", min(card.samples.values(), default=1) >= 1, "counts are positive"),
        (
            "class_counts",
            card.class_counts is None or _are_sizes(card.class_counts, count),
            f"it must be one positive count for each of the {count} classes",
        ),
        (
            "shape",
            card.shape is None or _are_sizes(card.shape, axes),
            f"it must be {axes} positive lengths, for dimension is {axes}",
        ),
        ("channels", card.channels in (None, 1, 2, 3), "it must be 1, 2 or 3"),
        (
            "intensity",
            card.intensity is None or card.intensity[0] < card.intensity[1],
            "it must be [lowest, highest]",
        ),
        (
            "input_size",
            card.input_size is None or (card.input_size >= 1 and axes == 2),
            "it must be a positive side length of a 2D task; volumes are fed as stored",
        ),
        *_source_checks(card),
        *_checksum_checks(card),
        where=where,
    )


def _source_checks(card: TaskCard) -> list[tuple[str, object, str]]:
    """Each kind of source takes its own keys and refuses the others'."""
    source = card.source
    orders = {2: ("HW", "DHW") if card.embedded else ("HW",), 3: ("DHW",)}[card.dimension]
    whether = "an embedded source needs it" if card.embedded else "only an embedded source takes it"
    return [
        *(
            (f"source.{key}", (getattr(source, key) is not None) == card.embedded, whether)
            for key in ("images", "label", "threshold")
        ),
        *(
            (f"source.{key}", card.embedded or not getattr(source, key), whether)
            for key in ("minimum", "covariate", "invert")
        ),
        ("source.permute", card.embedded or source.permute is None, whether),
        ("source.permute", (source.permute or 0) >= 0, "it must be a seed, 0 or above"),
        ("source.url", source.url is None or not card.embedded, "an embedded file is not fetched"),
        (
            "source.axes",
            source.axes is None or sorted(source.axes) in map(sorted, orders),
            f"it must be the letters of {' or of '.join(orders)} in their stored order",
        ),
    ]


def _checksum_checks(card: TaskCard) -> list[tuple[str, object, str]]:
    known = ", ".join(_DIGESTS)
    return [
        (
            "checksum",
            algorithm in _DIGESTS and re.fullmatch(f"[0-9a-fA-F]{{{_DIGESTS[algorithm]}}}", digest),
            f"it must be hexadecimal digests by algorithm, of {known}",
        )
        for algorithm, digest in card.checksum.items()
    ]


def _are_sizes(values: tuple[int, ...], length: int) -> bool:
    return len(values) == length and min(values) >= 1
