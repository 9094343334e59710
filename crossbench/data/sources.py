"""Finding the file of a task, and reading it as a :class:`Dataset`.

One reader serves every file: the authors' npz format, imported files and phantoms, which are
written in it, and MedMNIST's. Embedded tasks have their own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crossbench.data.canonical import (
    canonical_groups,
    canonical_labels,
    canonical_numbers,
    canonical_parts,
    group_names,
)
from crossbench.data.content import member_hashes
from crossbench.data.covariates import ARRAYS, canonical_covariates
from crossbench.data.dataset import Dataset
from crossbench.data.embedded import embedded_file, read_embedded
from crossbench.data.facts import check_facts, facts, notes
from crossbench.data.formats.npz import NpzFile, is_mapped
from crossbench.data.imported import import_facts, origin_facts, read_groups
from crossbench.data.inputs import find_kind, kind_of
from crossbench.data.phantom import phantom_file, phantom_path
from crossbench.data.survey import Known, Memo, survey
from crossbench.data.variation import varied
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

#: What a card's source may say that changes the samples read from a file.
_FORM = ("axes", "slice", "invert", "permute")

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
    root = DataRoot(data_dir)
    name = _task_of_file(card)
    published, imported = root.published(name, card.source.file), root.current(name)
    if imported is not None and not imported.is_file():
        msg = f"task {card.name!r}: the import in use, {imported}, is gone; import it again, or"
        raise MissingDataError(f"{msg} delete {imported.with_name('current')} to use another file")
    for place in (imported, *published, kept_by_medmnist(card)):
        if place is not None and place.is_file():
            return place
    msg = f"task {card.name!r}: no {' or '.join(each.name for each in published)} in {data_dir}."
    if card.origins:
        msg = f"{msg} Get it by: crossbench data fetch {card.name}. Or:"
    raise MissingDataError(f"{msg} {card.source.advice(card.name)}")


def data_files(card: TaskCard, *, data_dir: Path, cache_dir: Path) -> list[Path]:
    """Every file that :func:`open_task` reads of a task's real data.

    Raises:
        MissingDataError: As for :func:`find_file`.
    """
    file = find_file(card, data="real", data_dir=data_dir, cache_dir=cache_dir)
    root, name = DataRoot(data_dir), _task_of_file(card)
    beside = [root.groups(name)]
    if file == root.current(name):
        beside.append(root.imports(name) / "current")
    return [file, *(each for each in beside if each.is_file())]


def _task_of_file(card: TaskCard) -> str:
    """The task whose data file a card reads."""
    return getattr(card.source, "task", None) or card.name


def kept_by_medmnist(card: TaskCard) -> Path | None:
    """Path where the package medmnist keeps a data file; None of other publishers."""
    if not isinstance(card.source, MedmnistSource):
        return None
    return MEDMNIST_FOLDER.expanduser() / card.source.file


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
        return read_embedded(card, cache_dir)
    if data == "phantom":
        return read_file(card, phantom_file(card, cache_dir), "phantom", cache_dir)
    file = find_file(card, data=data, data_dir=data_dir, cache_dir=cache_dir)
    return read_file(
        card, file, "real", cache_dir, groups=DataRoot(data_dir).groups(_task_of_file(card))
    )


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
    joined = read_groups(groups)
    with NpzFile(file) as archive:
        made = import_facts(archive)
        card = card if made is None else made.card(card)
        form: tuple[Any, ...] = (card.kind, *(getattr(card.source, key) for key in _FORM))
        if card.input:
            form = (*form, card.input)
        form = (*form, *(name for name in ARRAYS if name in archive))
        memo = Memo(archive.watch, form, cache_dir)
        known = memo.recall()
        archive.verify = known is None
        dataset, spellings = _dataset(archive, card, source)
        dataset = varied(dataset, card.source)
        digests = {} if known is None else known.digests
        if source == "real":
            missing = [name for name in card.checksum if name not in digests]
            digests = digests | {name: archive.digest(name) for name in missing}
    dataset, found = _surveyed(dataset, memo, digests)
    if source == "real":
        images, labels, span = dataset.images, dataset.labels, found.survey.span
        stated = facts(card, images=images, labels=labels, span=span, digests=digests)
        check_facts(stated, where=str(file))
    if joined is not None:
        joined.check(dataset, where=str(groups))
        dataset, spellings = _grouped(dataset, card, joined.groups, where=str(groups))
        memo = replace(memo, form=(*memo.form, joined.digest))
        dataset, found = _surveyed(dataset, memo, digests)
    about = notes(card, dataset.images, grouped=dataset.groups is not None)
    return replace(
        dataset,
        intensity=found.survey.span,
        warnings=(*about, *spellings, *dataset.warnings, *found.survey.warnings),
        axes=card.source.axes,
        origin=origin_facts(file, made, joined),
    )


def _dataset(
    archive: NpzFile, card: TaskCard, source: Literal["real", "phantom"]
) -> tuple[Dataset, tuple[str, ...]]:
    """The arrays of a file in canonical form, not hashed yet, and what is said of its groups."""
    kind = kind_of(card)
    if card.source.slice is None or source == "phantom":
        return _as_kind(archive, card, kind, source)
    dataset, spellings = _as_kind(archive, card, find_kind(kind.made_of), source)
    slices = kind.reduced(dataset.images, card.source.slice)
    return replace(dataset, images=slices, stored=dataset.as_stored, watch=None), spellings


def _as_kind(
    archive: NpzFile, card: TaskCard, kind: InputKind, source: Literal["real", "phantom"]
) -> tuple[Dataset, tuple[str, ...]]:
    """As :func:`_dataset`, of a file that holds samples of this kind."""
    where = str(archive.file)
    stored, official = _stored(archive, kind)
    names = ("groups", "covariate", *ARRAYS)
    own = {name: archive.read(name) for name in names if name in archive}
    images = kind.canonical(stored, where=where, axes=card.source.axes)
    samples, classes = len(images), len(card.classes)
    covariate = own.get("covariate")
    if covariate is not None:
        covariate = canonical_numbers(covariate, "covariate", samples=samples, where=where)
    known = canonical_covariates(own, samples=samples, where=where)
    dataset = Dataset(
        images=images,
        labels=canonical_labels(
            stored["labels"], samples=samples, num_classes=classes, where=where
        ),
        num_classes=classes,
        groups=None,
        official=official,
        covariate=covariate,
        site=known.site,
        covariates=known.values,
        covariate_names=known.names,
        warnings=known.notes,
        source=source,
        file=archive.file,
        content_hash="",
        watch=archive.watch if is_mapped(images) else None,
    )
    return _grouped(dataset, card, own.get("groups"), where=where)


def _grouped(
    dataset: Dataset, card: TaskCard, groups: NDArray[Any] | None, *, where: str
) -> tuple[Dataset, tuple[str, ...]]:
    """The dataset with groups, and what is to be said of their spelling."""
    if groups is None:
        return dataset, ()
    codes, spellings = canonical_groups(groups, samples=len(dataset), where=where)
    members = member_hashes(card.cohort, group_names(groups)) if card.cohort else None
    return replace(dataset, groups=codes, members=members), spellings


def _surveyed(dataset: Dataset, memo: Memo, digests: dict[str, str]) -> tuple[Dataset, Known]:
    """A dataset with its content hash, and what is known of its file or found by reading it."""
    known = memo.recall()
    if known is None:
        found = Known(
            survey=survey(dataset.images, where=str(dataset.file)),
            content_hash=dataset.hash_content(),
            digests=digests,
        )
        replace(dataset, content_hash=found.content_hash).check_unchanged()
    else:
        found = replace(known, digests=digests)
    if found != known:
        memo.keep(found)
    return replace(dataset, content_hash=found.content_hash), found


def _stored(
    archive: NpzFile, kind: InputKind
) -> tuple[dict[str, NDArray[Any]], NDArray[np.int8] | None]:
    """The arrays of samples and labels by name, and official split codes where there are parts."""
    if not _has_parts(archive):
        arrays = _samples(archive, kind) | {"labels": archive.read("labels")}
        if "official" not in archive:
            return arrays, None
        samples, parts = len(arrays["labels"]), archive.read("official")
        return arrays, canonical_parts(parts, samples=samples, where=str(archive.file))
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
