"""Samples that ship beside their card: images with ratings, thresholded into two classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.canonical import canonical_groups, canonical_numbers, group_names
from crossbench.data.content import Stored, member_hashes
from crossbench.data.dataset import Dataset
from crossbench.data.facts import check_facts, facts, notes
from crossbench.data.formats.npz import NpzFile, content_hash
from crossbench.data.inputs import find_kind, kind_of
from crossbench.data.survey import Known, Memo, survey
from crossbench.data.unpacked import copy_of, make_copy
from crossbench.data.variation import inverted, permuted
from crossbench.errors import CardError, DataError, MissingDataError
from crossbench.specs import EmbeddedSource
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.specs import TaskCard


def read_embedded(card: TaskCard, cache_dir: Path | None = None) -> Dataset:
    """The samples of a card whose file ships beside it.

    Ratings above ``source.threshold`` are class 1 and those below it class 0. Samples rated
    exactly there, or below a bound of ``source.minimum``, are left out. Where a card of images
    names volumes, it gets a slice of each; so two cards that differ in their kind alone hold the
    same samples in the same order. The array ``groups``, where the file has one, gives the groups.

    Args:
        card: A card with ``source.kind = "embedded"``.
        cache_dir: Where an uncompressed copy of the file is kept, which is quick to open, with
            what is known of its samples; None reads the file itself.

    Raises:
        CardError: If the card's source is of another kind.
        MissingDataError: If the file is not beside the card.
        DataError: If the file is damaged, or an array that the card names is missing or
            does not fit; the message names the file and the array.
    """
    source = card.source
    if not isinstance(source, EmbeddedSource):
        msg = f"task {card.name!r}: its source.kind is {source.kind!r}; this reads 'embedded' alone"
        raise CardError(msg)
    file = embedded_file(card)
    if cache_dir is None:
        return _read(card, source, file, file)
    copy = copy_of(file, cache_dir)
    if copy is not None:
        try:
            return _read(card, source, file, copy, cache_dir)
        except DataError:  # of the copy, or of the file as well, which then says so itself
            copy.unlink(missing_ok=True)
    dataset = _read(card, source, file, file)
    make_copy(file, cache_dir)
    return dataset


def _read(
    card: TaskCard,
    source: EmbeddedSource,
    file: Path,
    copy: Path,
    cache_dir: Path | None = None,
) -> Dataset:
    """The samples, read from the file or from its copy.

    Args:
        card: The card.
        source: Its source.
        file: The file.
        copy: The file, or its uncompressed copy.
        cache_dir: Where it is kept what is known of the copy's samples; None keeps nothing.
    """
    arrays: dict[str, NDArray[Any]] = {}
    spellings: tuple[str, ...] = ()
    codes: NDArray[np.int64] | None = None
    members: NDArray[np.uint64] | None = None
    with NpzFile(copy) as archive:
        form = ("embedded", card.kind, to_mapping(source))
        memo = Memo(archive.watch, form, cache_dir) if cache_dir is not None else None
        known = memo.recall() if memo is not None else None
        archive.verify = known is None
        images, volumes = _images(archive, source.images, card)
        ratings = _column(archive, source.label, len(images))
        kept = ratings != source.threshold
        for name, bound in source.minimum.items():
            kept &= _column(archive, name, len(images)) >= bound
        if source.covariate is not None:
            arrays["covariate"] = _column(archive, source.covariate, len(images))[kept]
        if "groups" in archive:
            groups = archive.read("groups")
            codes, spellings = canonical_groups(groups, samples=len(images), where=str(file))
            arrays["groups"] = codes[kept]
            members = member_hashes(card.cohort, group_names(groups)) if card.cohort else None
    if not kept.any():
        msg = f"{file}: the threshold and bounds of task {card.name!r} leave no sample"
        raise DataError(msg)
    images = images[kept]
    arrays["images"] = inverted(images, where=str(file)) if source.invert else images
    arrays["labels"] = (ratings[kept] > source.threshold).astype(np.int64)
    images, labels = arrays["images"], arrays["labels"]
    found = survey(images, where=str(file)) if known is None else known.survey
    digests = _digests(file, card)
    stated = facts(card, images=images, labels=labels, span=found.span, digests=digests)
    check_facts(stated, where=str(file))
    strata = None
    if source.permute is not None:
        strata = arrays["labels"]  # the same folds as with the labels as they were
        arrays["labels"] = permuted(strata, source.permute)
    if known is None:
        known = Known(content_hash=content_hash(arrays), survey=found)
        if memo is not None:
            memo.keep(known)
    return Dataset(
        images=arrays["images"],
        labels=arrays["labels"],
        num_classes=len(card.classes),
        groups=arrays.get("groups"),
        official=None,
        covariate=arrays.get("covariate"),
        source="embedded",
        file=file,
        content_hash=known.content_hash,
        strata=strata,
        axes=card.source.axes,
        intensity=found.span,
        stored=Stored(images=(volumes,), groups=codes, rows=np.flatnonzero(kept), members=members),
        warnings=(
            *notes(card, arrays["images"], grouped="groups" in arrays),
            *spellings,
            *found.warnings,
        ),
    )


def _digests(file: Path, card: TaskCard) -> dict[str, str]:
    """The file's own digests, of the algorithms that the card names."""
    if not card.checksum:
        return {}
    with NpzFile(file) as archive:
        return {name: archive.digest(name) for name in card.checksum}


def embedded_file(card: TaskCard) -> Path:
    """The file that ships beside a card.

    Raises:
        MissingDataError: If it is not there.
    """
    file = (card.path or Path()).parent / card.source.file
    if not file.is_file():
        msg = f"task {card.name!r}: no file {file}. {card.source.advice(card.name)}"
        raise MissingDataError(msg)
    return file


def _images(archive: NpzFile, key: str, card: TaskCard) -> tuple[NDArray[Any], NDArray[Any]]:
    """(N, C, *spatial) samples, checked; and, of the kind that the file holds, what they are of."""
    kind = kind_of(card)
    arrays = {"images": archive.read(key)}
    arrays |= {name: archive.read(name) for name in kind.extras if name in archive}
    reduce = bool(kind.made_of) and arrays["images"].ndim > kind.dims + 1
    stored = find_kind(kind.made_of) if reduce else kind
    images = stored.canonical(arrays, where=str(archive.file), axes=card.source.axes)
    return (kind.reduced(images, card.source.slice or "fullest") if reduce else images), images


def _column(archive: NpzFile, name: str, samples: int) -> NDArray[np.float64]:
    """(N,) finite numbers."""
    return canonical_numbers(archive.read(name), name, samples=samples, where=str(archive.file))
