"""Where a task's samples are, and how a file becomes a :class:`Dataset`.

One reader serves every file: the authors' npz format, imported files and phantoms, which are
written in it, and MedMNIST's. Embedded tasks have their own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crossbench.data.canonical import (
    canonical_covariate,
    canonical_groups,
    canonical_labels,
    canonical_parts,
)
from crossbench.data.dataset import Dataset
from crossbench.data.embedded import embedded_file, read_embedded
from crossbench.data.facts import check_facts, notes
from crossbench.data.formats.npz import NpzFile, is_mapped
from crossbench.data.imported import import_facts, read_groups
from crossbench.data.inputs import find_kind
from crossbench.data.phantom import phantom_file, phantom_path
from crossbench.data.survey import Known, memo_file, recall, remember, survey
from crossbench.environment.spans import span
from crossbench.errors import DataError, MissingDataError
from crossbench.files.data_root import DataRoot
from crossbench.specs import MedmnistSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.data.inputs import InputKind
    from crossbench.specs import TaskCard

#: Where the package medmnist keeps what it downloads.
MEDMNIST_FOLDER = Path("~/.medmnist")

_PARTS = ("train", "val", "test")  # the index is the code in Dataset.official


def find_file(
    card: TaskCard, *, data: Literal["real", "phantom"], data_dir: Path, cache_dir: Path
) -> Path:
    """The file that :func:`open_task` will read; a phantom need not have been made yet.

    A real file is the imported one, where there is one; else it is looked for under the card's
    name for it, then as ``<task>.npz``, then where the package medmnist keeps its files.

    Raises:
        MissingDataError: If a real file is not there, with the way to get it.
    """
    if card.embedded:
        return embedded_file(card)
    if data == "phantom":
        return phantom_path(card, cache_dir)
    names = [name for name in dict.fromkeys([card.source.file, f"{card.name}.npz"]) if name]
    places = [DataRoot(data_dir).current(card.name), *(data_dir / name for name in names)]
    if isinstance(card.source, MedmnistSource):
        places.append(MEDMNIST_FOLDER.expanduser() / card.source.file)
    for place in places:
        if place is not None and place.is_file():
            return place
    msg = f"task {card.name!r}: no {' or '.join(names)} in {data_dir}."
    raise MissingDataError(f"{msg} {card.source.advice(card.name)}")


@span("load", fine=True)
def open_task(
    card: TaskCard, *, data: Literal["real", "phantom"], data_dir: Path, cache_dir: Path
) -> Dataset:
    """The samples of a task, checked; a phantom is made on demand.

    Args:
        card: The task.
        data: ``phantom`` replaces a file by its synthetic twin; embedded tasks stay real.
        data_dir: Where a user keeps data files.
        cache_dir: Where phantoms are written and the hashes of checked files kept.

    Raises:
        MissingDataError: If a real file is not there.
        DataError: If the file is damaged or does not fit the card; the message names both.
    """
    if card.embedded:
        return read_embedded(card)
    if data == "phantom":
        return read_file(card, phantom_file(card, cache_dir), "phantom", cache_dir)
    file = find_file(card, data=data, data_dir=data_dir, cache_dir=cache_dir)
    return read_file(card, file, "real", cache_dir, groups=DataRoot(data_dir).groups(card.name))


def read_file(
    card: TaskCard,
    file: Path,
    source: Literal["real", "phantom"],
    cache_dir: Path,
    *,
    groups: Path | None = None,
) -> Dataset:
    """The samples of a task in one of its files, checked.

    Args:
        card: The task.
        file: The authors' file, MedMNIST's, an imported one, or a phantom.
        source: Whether it is a phantom.
        cache_dir: Where the hashes of checked files are kept.
        groups: File of groups that were joined afterwards; it need not exist.

    Raises:
        DataError: If the file is damaged or does not fit the card; the message names both.
    """
    where, num_classes, kind = str(file), len(card.classes), find_kind(card.kind)
    joined = read_groups(groups)
    with NpzFile(file) as archive:
        watch = archive.watch
        made = import_facts(archive)
        card = card if made is None else made.card(card)
        form = [card.kind, card.source.axes]
        memo = memo_file(file, watch.state, form, cache_dir)
        known = recall(memo) if watch.state.is_settled() else None
        archive.verify = known is None
        stored, official = _stored(archive, kind)
        own = {name: archive.read(name) for name in ("groups", "covariate") if name in archive}
        digests = {} if known is None else known.digests
        if source == "real":
            missing = [name for name in card.checksum if name not in digests]
            digests = digests | {name: archive.digest(name) for name in missing}
    images = kind.canonical(stored, where=where, axes=card.source.axes)
    samples = len(images)
    labels = canonical_labels(
        stored["labels"], samples=samples, num_classes=num_classes, where=where
    )
    codes, spellings = _codes(own.get("groups"), samples, where)
    dataset = Dataset(
        images=images,
        labels=labels,
        num_classes=num_classes,
        groups=codes,
        official=official,
        covariate=canonical_covariate(own.get("covariate"), samples=samples, where=where),
        source=source,
        file=file,
        content_hash="" if known is None else known.content_hash,
        watch=watch if is_mapped(images) else None,
    )
    found = _surveyed(dataset, known, digests)
    if source == "real":
        check_facts(
            card,
            images=images,
            labels=labels,
            survey=found.survey,
            digests=digests,
            where=where,
        )
    if found != known and watch.state.is_settled():
        remember(memo, found)
    dataset = replace(dataset, content_hash=found.content_hash)
    if joined is not None:
        joined.check(dataset, where=str(groups))
        codes, spellings = _codes(joined.groups, samples, str(groups))
        memo = memo_file(file, watch.state, [*form, joined.digest], cache_dir)
        known = recall(memo) if watch.state.is_settled() else None
        dataset = replace(dataset, groups=codes, content_hash="")
        found = _surveyed(dataset, known, digests)
        if found != known and watch.state.is_settled():
            remember(memo, found)
        dataset = replace(dataset, content_hash=found.content_hash)
    about = notes(card, images, grouped=dataset.groups is not None)
    return replace(dataset, warnings=(*about, *spellings, *found.survey.warnings))


def _codes(
    groups: NDArray[Any] | None, samples: int, where: str
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Group codes, and what is to be said of their spelling."""
    if groups is None:
        return None, ()
    return canonical_groups(groups, samples=samples, where=where)


def _surveyed(dataset: Dataset, known: Known | None, digests: dict[str, str]) -> Known:
    """What is known of a file, or is found by reading it through while nobody writes to it."""
    if known is not None:
        return replace(known, digests=digests)
    found = Known(
        survey=survey(dataset.images, where=str(dataset.file)),
        content_hash=dataset.hash_content(),
        digests=digests,
    )
    replace(dataset, content_hash=found.content_hash).check_unchanged()
    return found


def _stored(
    archive: NpzFile, kind: InputKind
) -> tuple[dict[str, NDArray[Any]], NDArray[np.int8] | None]:
    """The arrays of samples and labels by name, and official split codes where there are parts."""
    if not _has_parts(archive):
        arrays = _samples(archive, kind) | {"labels": archive.read("labels")}
        parts = archive.read("official") if "official" in archive else None
        return arrays, canonical_parts(
            parts, samples=len(arrays["labels"]), where=str(archive.file)
        )
    for part in _PARTS:
        image_key, label_key = f"{part}_images", f"{part}_labels"
        images, labels = archive.shape(image_key), archive.shape(label_key)
        if images[:1] != labels[:1]:
            msg = f"{archive.file}: {image_key} have shape {images} but {label_key} {labels}"
            raise DataError(msg)
    keys = [f"{part}_labels" for part in _PARTS]
    arrays = _samples(archive, kind) | {"labels": archive.read_pooled(keys)}
    lengths = [archive.shape(key)[0] for key in keys]
    official = np.repeat(np.arange(len(_PARTS), dtype=np.int8), lengths)
    return arrays, official


def _samples(archive: NpzFile, kind: InputKind) -> dict[str, NDArray[Any]]:
    """The arrays that samples are made of, of either format."""
    if not _has_parts(archive):
        names = ["images", *(name for name in kind.extras if name in archive)]
        return {name: archive.read(name) for name in names}
    names = ["images", *(name for name in kind.extras if f"{_PARTS[0]}_{name}" in archive)]
    return {name: archive.read_pooled([f"{part}_{name}" for part in _PARTS]) for name in names}


def _has_parts(archive: NpzFile) -> bool:
    """Whether a file is in MedMNIST's format, told by its keys."""
    return "images" not in archive and "train_images" in archive


def stored_samples(file: Path, kind: InputKind) -> dict[str, NDArray[Any]]:
    """The arrays of a file that samples are made of, as stored; labels are not looked at.

    Raises:
        DataError: If the file is damaged or has none.
    """
    with NpzFile(file) as archive:
        return _samples(archive, kind)
