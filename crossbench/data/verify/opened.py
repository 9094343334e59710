"""A task's data file, opened without refusing what its card contradicts."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats.npz import NpzFile
from crossbench.data.imported import import_facts, read_groups
from crossbench.data.inputs import kind_of
from crossbench.data.sources import open_task, stored_samples
from crossbench.data.survey import ranges
from crossbench.data.verify.verdict import Finding, listed, named
from crossbench.errors import DataError
from crossbench.files.data_root import DataRoot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.imported import ImportFacts
    from crossbench.specs import TaskCard

#: Digest that is always given.
DIGEST = "sha256"

_MOST_SITES = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A data file and what it says of itself.

    Attributes:
        card: The card with the facts that hold of the file.
        dataset: The samples.
        digests: Digests of the file.
        made: How it was imported; None of any other file.
        grouped_by: Where groups that were joined afterwards are from; empty where none were.
        acquisition: (N, F) numbers on how samples were acquired, by what they are: of the array
            ``acquisition``, such as original sizes, and of ``sites`` or ``site``, one column a
            site.
    """

    card: TaskCard
    dataset: Dataset
    digests: dict[str, str]
    made: ImportFacts | None
    grouped_by: str
    acquisition: dict[str, NDArray[np.float64]]


def open_anyway(card: TaskCard, file: Path, *, data_dir: Path) -> Opened:
    """Open a task's data file afresh, whatever the facts on its card.

    Raises:
        DataError: If it is damaged, or its arrays are no samples and labels.
    """
    with NpzFile(file) as archive:
        made = None if card.embedded else import_facts(archive)
        digests = {name: archive.digest(name) for name in {DIGEST: "", **card.checksum}}
        names = ("acquisition", "sites", "site")
        acquisition = {name: archive.read(name) for name in names if name in archive}
    silent: dict[str, Any] = dict.fromkeys(("shape", "channels", "class_counts", "intensity"))
    lenient = replace(card, checksum={}, origins=(), **silent)
    with tempfile.TemporaryDirectory() as nothing_remembered:
        dataset = open_task(
            lenient, data="real", data_dir=data_dir, cache_dir=Path(nothing_remembered)
        )
    joined = None if card.embedded else read_groups(DataRoot(data_dir).groups(card.name))
    return Opened(
        card=card if made is None else made.card(card),
        dataset=dataset,
        digests=digests,
        made=made,
        grouped_by="" if joined is None else joined.source,
        acquisition=dict(_numbers(acquisition, len(dataset))),
    )


def _numbers(
    arrays: Mapping[str, NDArray[Any]], samples: int
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Numbers for models from arrays on the acquisition, where they fit samples."""
    for name, array in arrays.items():
        if array.shape[:1] != (samples,):
            continue
        if array.dtype.kind in "biuf" and array.ndim == 2:
            yield name, array.astype(np.float64)
        elif array.dtype.kind == "U" and array.ndim == 1:
            values, codes = np.unique(array, return_inverse=True)
            if len(values) <= _MOST_SITES:
                yield name, np.eye(len(values))[codes]


def why_not(card: TaskCard, file: Path, error: DataError) -> Iterator[Finding]:
    """Findings on a file that cannot be opened, and the samples at fault."""
    yield Finding(check="file", level="fault", text=str(error))
    kind = kind_of(card)
    with suppress(DataError):  # it has been said what is wrong
        axes = card.source.axes
        with NpzFile(file, verify=False) as archive:
            axes = None if "about" in archive else axes
        images = kind.canonical(stored_samples(file, kind), where=str(file), axes=axes)
        broken = ranges(images).nonfinite
        if len(broken):
            text = f"{len(broken)} of {len(images)} samples have NaN or infinite voxels"
            yield Finding(
                check="voxels",
                level="fault",
                text=f"{text}: {listed(broken)}",
                count=len(broken),
                samples=named(broken),
            )
