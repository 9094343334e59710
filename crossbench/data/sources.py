"""Where a task's samples are, and how a file becomes a :class:`Dataset`.

One reader serves every file: the authors' npz format, MedMNIST's, and the phantoms that
are written in the former. Embedded tasks have their own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crossbench.atomic import replacing
from crossbench.data.canonical import (
    canonical_groups,
    canonical_images,
    canonical_labels,
    check_finite,
)
from crossbench.data.dataset import Dataset
from crossbench.data.embedded import read_embedded
from crossbench.data.npz import NpzFile, content_hash
from crossbench.data.phantom import phantom_file, phantom_path
from crossbench.errors import DataError, MissingDataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.specs import TaskCard

_PARTS = ("train", "val", "test")  # the index is the code in Dataset.official
_MEMO_VERSION = 1  # raise when a check is added or the canonical form changes


def find_file(
    card: TaskCard, *, data: Literal["real", "phantom"], data_dir: Path, cache_dir: Path
) -> Path:
    """The file that :func:`open_task` will read; a phantom need not have been made yet.

    A real file is looked for under the card's name for it, then as ``<task>.npz``.

    Raises:
        MissingDataError: If a real file is not there, with the way to get it.
    """
    if card.embedded:
        folder, names = (card.path or Path()).parent, [card.source.file]
    elif data == "phantom":
        return phantom_path(card, cache_dir)
    else:
        folder, names = data_dir, list(dict.fromkeys([card.source.file, f"{card.name}.npz"]))
    for name in filter(None, names):
        if (folder / name).is_file():
            return folder / name
    raise _missing(card, folder, names)


def _missing(card: TaskCard, folder: Path, names: list[str]) -> MissingDataError:
    looked_for = " or ".join(filter(None, names))
    remedy = card.source.remedy or f"Save {card.name}.npz with arrays 'images' and 'labels' there."
    download = f" Download: {card.source.url}" if card.source.url else ""
    return MissingDataError(f"task {card.name!r}: no {looked_for} in {folder}. {remedy}{download}")


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
        return _read(card, phantom_file(card, cache_dir), "phantom", cache_dir)
    file = find_file(card, data=data, data_dir=data_dir, cache_dir=cache_dir)
    return _read(card, file, "real", cache_dir)


def _read(
    card: TaskCard, file: Path, source: Literal["real", "phantom"], cache_dir: Path
) -> Dataset:
    memo = _memo_file(card, file, cache_dir)
    digest = _recall(memo)
    where, num_classes = str(file), len(card.classes)
    with NpzFile(file, verify=digest is None) as archive:
        raw_images, raw_labels, official = _stored(archive)
        raw_groups = archive.read("groups") if "groups" in archive else None
    images = canonical_images(raw_images, card.dimension, where=where)
    samples = len(images)
    labels = canonical_labels(raw_labels, samples=samples, num_classes=num_classes, where=where)
    groups = None
    if raw_groups is not None:
        groups = canonical_groups(raw_groups, samples=samples, where=where)
    if digest is None:
        check_finite(images, where=where)
        arrays = {"images": images, "labels": labels, "groups": groups, "official": official}
        digest = content_hash({key: array for key, array in arrays.items() if array is not None})
        _remember(memo, digest)
    return Dataset(
        images=images,
        labels=labels,
        num_classes=num_classes,
        groups=groups,
        official=official,
        covariate=None,
        source=source,
        file=file,
        content_hash=digest,
    )


def _stored(
    archive: NpzFile,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int8] | None]:
    """Images, labels and official split codes of either format, told apart by their keys."""
    image_keys = _image_keys(archive)
    if image_keys == ["images"]:
        return archive.read("images"), archive.read("labels"), None
    label_keys = [f"{part}_labels" for part in _PARTS]
    for image_key, label_key in zip(image_keys, label_keys, strict=True):
        images, labels = archive.shape(image_key), archive.shape(label_key)
        if images[:1] != labels[:1]:
            msg = f"{archive.file}: {image_key} have shape {images} but {label_key} {labels}"
            raise DataError(msg)
    pooled = archive.read_pooled(image_keys), archive.read_pooled(label_keys)
    lengths = [archive.shape(key)[0] for key in label_keys]
    return *pooled, np.repeat(np.arange(len(_PARTS), dtype=np.int8), lengths)


def _image_keys(archive: NpzFile) -> list[str]:
    """The arrays that hold the images, in either format."""
    if "images" in archive or "train_images" not in archive:
        return ["images"]
    return [f"{part}_images" for part in _PARTS]


def stored_images(file: Path) -> NDArray[Any]:
    """The images of a file of either format, as they are stored; labels are not looked at.

    Raises:
        DataError: If the file is damaged or has none.
    """
    with NpzFile(file) as archive:
        keys = _image_keys(archive)
        return archive.read_pooled(keys) if len(keys) > 1 else archive.read(*keys)


# ------------------------------------------------- the memo: checked once, hashed once


def _memo_file(card: TaskCard, file: Path, cache_dir: Path) -> Path:
    """Where the hash of this very file, checked as this kind of task, is kept."""
    state = file.stat()
    key = [_MEMO_VERSION, str(file.resolve()), state.st_size, state.st_mtime_ns, card.dimension]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
    return cache_dir / "checked" / f"{name}.json"


def _recall(memo: Path) -> str | None:
    """The remembered hash; None if there is none, or none that can be believed."""
    try:
        digest = json.loads(memo.read_text(encoding="utf-8"))["content_hash"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return digest if isinstance(digest, str) and len(digest) == 64 else None


def _remember(memo: Path, digest: str) -> None:
    """Keep the hash; a cache that cannot be written costs time, not correctness."""
    with contextlib.suppress(OSError), replacing(memo) as temporary:
        temporary.write_text(json.dumps({"content_hash": digest}), encoding="utf-8")
