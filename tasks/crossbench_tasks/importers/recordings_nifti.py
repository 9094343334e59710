"""Recordings as NIfTI volumes over time, parcellated by an atlas through nilearn."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crossbench.data.formats.tables import read_table
from crossbench.data.importers.options import words
from crossbench.errors import DataError, RequestError
from crossbench_tasks.importers._series import check_series
from crossbench_tasks.importers.recordings import Recordings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.importers import Distribution, Original
    from crossbench.specs.origins import Option

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
_SLACK = 0.01  # of the card's tr


class RecordingsNifti(Recordings):
    """As :class:`Recordings`, of the means over regions of an atlas.

    Further options: ``atlas``, a NIfTI volume of whole numbers in the folder, 0 outside of all
    regions; ``confounds``, columns of the tables of ``motion`` to regress out, whose unknown first
    values become 0; ``band``, lowest and highest frequency in Hz that is kept.
    """

    name = "recordings-nifti"
    needs = ("nilearn",)
    extra = "fmri"
    defaults: ClassVar[Mapping[str, Option]] = {
        **Recordings.defaults,
        "files": "{id}_*desc-preproc_bold.nii.gz",
        "atlas": "",
        "confounds": (),
        "band": (),
    }

    def beside(self, source: Distribution, motion: str | None) -> tuple[str, ...]:
        """The atlas and, where something is to be regressed out, the table of confounds."""
        atlas = str(source.options["atlas"])
        if not (source.folder / atlas).is_file():
            msg = f"{source.folder}: no file {atlas!r} (option atlas) in it"
            raise DataError(f"{msg}; copy the atlas, a NIfTI volume of whole numbers, there")
        if not source.options["confounds"]:
            return (atlas,)
        if motion is None:
            msg = f"{source.folder}: a participant has no table of confounds"
            raise DataError(f"{msg}; correct option motion, or leave option confounds empty")
        return atlas, motion

    def check(self, source: Distribution, files: Sequence[str]) -> None:  # noqa: ARG002
        """Refuse options that nothing could be read under."""
        band = source.options["band"]
        numbers = isinstance(band, tuple) and all(isinstance(each, int | float) for each in band)
        if not numbers or len(words(source.options, "band")) not in (0, 2):
            msg = f"option band is {band!r}; it must be two frequencies in Hz, or empty"
            raise RequestError(msg)
        if "tr" not in source.card.input:
            msg = f"card {source.card.name!r} has no tr, the seconds between volumes"
            raise RequestError(f"{msg}; say it under [input]")

    def notes(self, source: Distribution) -> tuple[str, ...]:
        """What the recordings went through."""
        options = source.options
        regressed = ", ".join(words(options, "confounds")) or "nothing"
        band = " to ".join(words(options, "band"))
        kept = f", and {band} Hz kept" if band else ""
        return (f"means over regions of {options['atlas']}; {regressed} regressed out{kept}",)

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(R, T) float32: a row a region, in the order of the atlas's numbers."""
        from nilearn.maskers import NiftiLabelsMasker

        file, atlas, *motion = (source.folder / each for each in sample.files)
        tr = float(source.card.input["tr"])
        regions = _check_form(file, atlas, tr)
        band: Any = source.options["band"] or (None, None)
        masker = NiftiLabelsMasker(
            labels_img=str(atlas), t_r=tr, high_pass=band[0], low_pass=band[1], standardize=False,
            detrend=bool(source.options["confounds"]), reports=False,
        )  # fmt: skip
        confounds = _confounds(motion[0], words(source.options, "confounds")) if motion else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on defaults that change, and regions that are lost
            series = masker.fit_transform(str(file), confounds=confounds).T
        if len(series) != regions:
            msg = (
                f"{file}: {len(series)} of the {regions} regions of {atlas.name} have voxels in it"
            )
            raise DataError(f"{msg}; bring both into one space, of voxels as small as the atlas's")
        check_series(series, source.card, where=file)
        return np.asarray(series, np.float32)


def _check_form(file: Path, atlas: Path, tr: float) -> int:
    """The number of the atlas's regions; refuses a file of no volumes over time, or another tr."""
    import nibabel

    try:
        image: Any = nibabel.load(file)
        labels = np.unique(np.asanyarray(nibabel.load(atlas).dataobj))  # type: ignore[attr-defined]
        unit, seconds = image.header.get_xyzt_units()[1], image.header.get_zooms()[3:]
    except Exception as error:  # damage is taken for many things
        msg = f"{file}: it, or {atlas.name}, cannot be read as NIfTI ({error}); get them again"
        raise DataError(msg) from error
    if image.ndim != 4:
        raise DataError(f"{file}: has shape {image.shape}, no volumes over time; correct files")
    if (labels != np.floor(labels)).any():
        raise DataError(f"{atlas}: has values that are no whole numbers; it is no atlas of labels")
    stated = float(seconds[0]) * _SECONDS.get(unit, 0)
    if stated and abs(stated - tr) > _SLACK * tr:
        msg = f"{file}: its header says {stated:g} s between volumes, the card {tr:g}"
        raise DataError(f"{msg}; correct the card's tr, or leave the recording out")
    return int((labels != 0).sum())


def _confounds(file: Path, columns: Sequence[str]) -> NDArray[np.float64]:
    """(T, C) confounds; 0 where unknown, as derivatives are of the first volume."""
    table = read_table(file)
    if not table.has(*columns):
        lacking = ", ".join(repr(name) for name in columns if not table.has(name))
        raise DataError(f"{file}: no column {lacking} (option confounds); correct the option")
    try:
        cells = [[float(cell or 0) for cell in table.columns[name]] for name in columns]
    except ValueError as error:
        raise DataError(f"{file}: confounds must be numbers ({error}); get it again") from error
    return np.array(cells).T
