"""Cheng's brain tumours: one MATLAB 7.3 file a slice, patients and official folds with them.

Figshare 1512427: four zip archives of ``1.mat`` to ``3064.mat``, and ``cvind.mat``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.options import whole
from crossbench.errors import DataError
from crossbench_tasks.importers._files import walk
from crossbench_tasks.importers._pixels import in_channels, resized, unit_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Option

_FOLDS = "cvind.mat"
_LARGEST = 1 << 24  # values of an array; images have 512 x 512
_LONGEST = 64  # characters of an identifier


class Cheng(Importer):
    """``N.mat`` with ``cjdata/label``, ``PID`` and ``image``, stored transposed."""

    name = "cheng"
    needs = ("h5py",)
    unpacks = (".zip",)
    defaults: ClassVar[Mapping[str, Option]] = {
        "size": 224,
        "channels": 1,
        "resample": "bilinear",
        "official_fold": 0,
    }

    def list(self, source: Distribution) -> Listing:
        """The slices by their numbers; label and patient are read from each file."""
        numbered: dict[int, Path] = {}
        for path in walk(source.folder, ".mat"):
            if not path.stem.isdecimal() or len(path.stem) > _LONGEST:
                continue
            if (number := int(path.stem)) in numbered:
                both = f"{numbered[number]} and {path}"
                raise DataError(
                    f"{source.folder}: slice {number} is there twice ({both}); keep one"
                )
            numbered[number] = path
        if not numbered:
            msg = f"{source.folder}: no files 1.mat, 2.mat, ... in it or below"
            raise DataError(f"{msg}; unpack brainTumorDataPublic_*.zip there")
        parts, notes = _official(
            source.folder, numbered, whole(source.options, "official_fold", least=0)
        )
        samples = [
            _original(source.card, source.folder, path, number, parts.get(number, -1))
            for number, path in sorted(numbered.items())
        ]
        repeated = "stored once" if source.options["channels"] == 1 else "repeated"
        scaled = "each slice is scaled from its own range to 0 to 255, then resized (inferred)"
        gray = f"the gray image is {repeated}; the authors' file repeats it to three channels"
        return Listing(samples=tuple(samples), notes=(scaled, gray, *notes))

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(H, W) or (C, H, W) float32 in 0 to 255."""
        stored = _array(source.folder / sample.files[0], "cjdata/image")
        if stored.ndim != 2 or stored.dtype.kind not in "iu":
            what = f"{stored.dtype} of shape {stored.shape}"
            raise DataError(
                f"{source.folder / sample.files[0]}: cjdata/image is {what}; get it again"
            )
        image = stored.T  # MATLAB stores columns
        scaled = unit_range(image, float(image.min()), float(image.max())) * np.float32(255)
        made = resized(scaled, whole(source.options, "size"), str(source.options["resample"]))
        return in_channels(made, whole(source.options, "channels"))


def _original(card: TaskCard, folder: Path, path: Path, number: int, part: int) -> Original:
    file = folder / path
    label = _array(file, "cjdata/label")
    classes = len(card.classes)
    if (
        label.size != 1
        or label.dtype.kind not in "iuf"
        or label.item() not in range(1, classes + 1)
    ):
        shown = str(label.reshape(-1)[:3].tolist())
        msg = f"{file}: cjdata/label is {shown}; it must be one number from 1 to {classes}"
        raise DataError(f"{msg}; get it again")
    return Original(
        id=str(number),
        label=int(label.item()) - 1,
        files=(path.as_posix(),),
        group=_text(file, _array(file, "cjdata/PID")),
        official=part,
    )


def _text(file: Path, codes: NDArray[Any]) -> str:
    """The text that MATLAB keeps as character codes."""
    if not 0 < codes.size <= _LONGEST or codes.dtype.kind not in "iu":
        raise DataError(f"{file}: cjdata/PID is no text ({codes.dtype}, {codes.shape})")
    text = "".join(chr(int(code)) for code in codes.reshape(-1)).strip()
    if not text.isprintable() or not text:
        raise DataError(f"{file}: cjdata/PID is {text!r}, no identifier; get it again")
    return text


def _official(
    folder: Path, numbered: Mapping[int, Path], fold: int
) -> tuple[dict[int, int], tuple[str, ...]]:
    """The parts of slices where one of the official folds is asked for."""
    if not fold:
        note = "cvind.mat's five folds are not used; --set official_fold=K makes K the test part"
        return {}, (note,)
    files = [path for path in walk(folder, _FOLDS) if path.name == _FOLDS]
    if not files:
        raise DataError(f"{folder}: no file {_FOLDS!r}, which official_fold={fold} is taken from")
    file = folder / files[0]
    folds = _array(file, "").reshape(-1)
    if len(folds) < max(numbered) or fold not in folds:
        msg = f"{file}: {len(folds)} folds, {sorted(set(folds.tolist()))[:9]}, do not give fold"
        raise DataError(f"{msg} {fold} of slices up to {max(numbered)}; get it again")
    parts = {number: 2 if folds[number - 1] == fold else 0 for number in numbered}
    return parts, (f"the official split tests on fold {fold} of cvind.mat and validates on none",)


def _array(file: Path, name: str) -> NDArray[Any]:
    """An array of a MATLAB 7.3 file; the only one, where no name is given.

    Raises:
        DataError: If the file is damaged, or what has the name lies elsewhere than in the file.
    """
    import h5py

    where = f"{file}: {name or 'its array'}"
    try:
        with h5py.File(file, "r") as opened:
            found = _found(opened, name.split("/") if name else [_only(opened)])
            values = None if found is None else np.asarray(found[()])
    except Exception as error:  # the library raises what it likes of damage
        why = str(error) or type(error).__name__
        raise DataError(f"{where} cannot be read as MATLAB 7.3 ({why}); get it again") from error
    if values is None:
        raise DataError(f"{where} is no array of numbers that lies in the file; get it again")
    return values


def _found(opened: Any, names: Sequence[str]) -> Any:
    """An array of numbers; None where it is missing, lies in another file, or is too large."""
    import h5py

    found = opened
    for name in names:
        if not isinstance(found, h5py.Group):
            return None
        if not isinstance(found.get(name, getlink=True), h5py.HardLink):
            return None
        found = found[name]
    own = isinstance(found, h5py.Dataset) and not found.external and not found.is_virtual
    return found if own and found.dtype.kind in "iuf" and 0 < found.size <= _LARGEST else None


def _only(opened: Any) -> str:
    """The name of a file's one array; what begins with ``#`` is MATLAB's own."""
    names = [name for name in opened if not name.startswith("#")]
    return names[0] if len(names) == 1 else "one array"
