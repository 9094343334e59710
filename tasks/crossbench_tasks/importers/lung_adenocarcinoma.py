"""Lung adenocarcinoma CT of Mendeley r3tbsgtpzg: one npy file a tumour, its class in its path.

How folders and files are called is unpublished: whatever they are, exactly one of the three
classes must be a word of each path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from crossbench.data.formats.npz import map_npy
from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.errors import DataError, RequestError
from crossbench_tasks.importers._files import walk

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs.origins import Option

_CLASSES = ("AAH", "AIS", "MIA")  # by how far the tumour has come; the index is the label
_NO_LETTERS = re.compile("[^A-Za-z]+")


class LungAdenocarcinoma(Importer):
    """``*.npy`` anywhere below the folder, such as ``AAH/0001.npy`` or ``0001_MIA.npy``."""

    name = "lung-adenocarcinoma"
    unpacks = (".zip",)
    defaults: ClassVar[Mapping[str, Option]] = {"axes": "DHW"}

    def list(self, source: Distribution) -> Listing:
        """The arrays in the order of their paths."""
        if sorted(str(source.options["axes"])) != sorted("DHW"):
            raise RequestError(
                f"option axes is {source.options['axes']!r}; order the letters of 'DHW'"
            )
        samples = tuple(
            Original(id=path.with_suffix("").as_posix(), label=_label(source.folder, path),
                     files=(path.as_posix(),))
            for path in walk(source.folder, ".npy")
        )  # fmt: skip
        if not samples:
            raise DataError(
                f"{source.folder}: no .npy file in it or below; unpack the archive there"
            )
        notes = (
            "the class is the word AAH, AIS or MIA in the path of a file",
            f"the stored axes are taken for {source.options['axes']}, which is unpublished",
        )
        return Listing(samples=samples, notes=notes)

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(D, H, W) in the stored dtype."""
        file = source.folder / sample.files[0]
        voxels, axes = map_npy(file), str(source.options["axes"])
        if voxels.ndim != len(axes):
            raise DataError(f"{file}: an array of shape {voxels.shape} is no volume; get it again")
        return voxels.transpose([axes.index(letter) for letter in "DHW"])


def _label(folder: Path, path: Path) -> int:
    words = {word.upper() for word in _NO_LETTERS.split(path.as_posix())}
    found = [label for label, name in enumerate(_CLASSES) if name in words]
    if len(found) != 1:
        names = ", ".join(_CLASSES[label] for label in found) or "none"
        msg = f"{folder / path}: of AAH, AIS and MIA its path has {names}, and must have one"
        raise DataError(f"{msg}; sort the files into folders of these names")
    return found[0]
