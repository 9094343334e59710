"""BUSV: breast ultrasound videos as folders of frames, with the known duplicates and label errors.

``rawframes/{benign,malignant}/<id>/000000.png``; the publisher names duplicates and wrong labels
in the notes of its repository and in issues 12 and 27.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crossbench.data.clusters import clusters, sharing
from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.options import whole
from crossbench.errors import DataError
from crossbench.files.hashing import hash_file
from crossbench_tasks.importers._files import walk
from crossbench_tasks.importers._pixels import gray_picture, resized

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs.origins import Option

_CLASSES = ("benign", "malignant")
# Identifiers come with and without a leading x; here they have none.
_COPY, _KEPT = ("benign", "66ef02e7f1b9a0ef"), ("malignant", "3b88488853e8b7d1")
_ONE_PATIENT = {
    ("benign", "63c9ba1377f35bf6"),
    ("benign", "5a1c46ec6377e946"),
    ("malignant", "2390fbea047347b"),
    ("malignant", "7a39ab5d4970bf89"),
}
_KNOWN = {"known copy": {_COPY, _KEPT}, "known patient": _ONE_PATIENT}
_FRAME = 1 << 26  # bytes that a frame's file may have


class Busv(Importer):
    """Folders of frames; groups are videos that share a frame, or are known to be one patient."""

    name = "busv"
    defaults: ClassVar[Mapping[str, Option]] = {"size": 96, "frames": 96, "clean": True}

    def list(self, source: Distribution) -> Listing:
        """The videos by class and identifier, which takes a hash of every frame."""
        videos: dict[Path, list[str]] = {}
        for path in walk(source.folder, ".png"):
            if len(path.parts) > 2 and path.parts[-3] in _CLASSES:
                videos.setdefault(path.parent, []).append(path.as_posix())
        if not videos:
            msg = (
                f"{source.folder}: no folders rawframes/benign/<id>/ and rawframes/malignant/<id>/"
            )
            raise DataError(f"{msg}; unpack the archive there")
        keys = [(path.parts[-2], path.name.removeprefix("x")) for path in videos]
        if len(set(keys)) < len(keys):
            raise DataError(
                f"{source.folder}: a video is there with and without x; keep one of them"
            )
        groups = _groups(source.folder, keys, [*videos.values()])
        samples = [
            Original(
                id="/".join(key),
                label=_CLASSES.index(key[0]),
                files=tuple(files),
                group=group,
            )
            for key, group, files in zip(keys, groups, videos.values(), strict=True)
        ]
        return _cleaned(samples) if source.options["clean"] else _as_published(samples)

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(T, H, W) float32 in 0 to 255, by linear interpolation between frames."""
        size, count = whole(source.options, "size"), whole(source.options, "frames")
        at = np.linspace(0, len(sample.files) - 1, count)
        before = np.floor(at).astype(int)
        after = np.minimum(before + 1, len(sample.files) - 1)
        needed = {place: np.empty(0) for place in sorted({*before.tolist(), *after.tolist()})}
        for place in needed:
            pixels = gray_picture(source.folder / sample.files[place]).astype(np.float32)
            needed[place] = resized(pixels, size, "bilinear")
        share = (at - before).astype(np.float32)
        made = [
            needed[first] * (1 - part) + needed[second] * part
            for first, second, part in zip(before, after, share, strict=True)
        ]
        return np.stack(made).astype(np.float32, copy=False)


def _groups(
    folder: Path, keys: Sequence[tuple[str, str]], videos: Sequence[Sequence[str]]
) -> list[str]:
    """Codes of videos that share a frame's bytes, directly or in a chain, or are one patient."""

    def frames(files: Sequence[str]) -> set[str]:
        return {_hash(folder / file) for file in files}

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        things = list(pool.map(frames, videos))
    known = [
        {name for name, members in _KNOWN.items() if key in members} | own
        for key, own in zip(keys, things, strict=True)
    ]
    return [f"cluster {code}" for code in clusters(len(known), sharing(known))]


def _hash(file: Path) -> str:
    if not file.is_file() or file.stat().st_size > _FRAME:
        raise DataError(f"{file}: is no picture of at most {_FRAME} bytes; get it again")
    return hash_file(file)


def _cleaned(samples: Sequence[Original]) -> Listing:
    """Without the benign copy of a malignant video, and with labels as the publisher corrects."""
    found = {sample.id: sample for sample in samples}
    dropped, notes = [], [_between()]
    copy, kept = "/".join(_COPY), "/".join(_KEPT)
    if copy in found and kept in found:
        del found[copy]
        dropped.append((copy, f"copy of {kept}, which the publisher says to delete"))
    for key in sorted(_ONE_PATIENT):
        name = "/".join(key)
        if name in found and key[0] == "benign":
            found[name] = replace(found[name], label=_CLASSES.index("malignant"))
            notes.append(f"{name} is taken for malignant, as the publisher corrects it")
    return Listing(samples=tuple(found.values()), dropped=tuple(dropped), notes=tuple(notes))


def _as_published(samples: Sequence[Original]) -> Listing:
    said = "labels are as published, the known copy and wrong ones included"
    return Listing(samples=tuple(samples), notes=(_between(), said))


def _between() -> str:
    return "frames are resized, their aspect not kept, and interpolated linearly in time (inferred)"
