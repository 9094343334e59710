"""MosMedData: chest CT as NIfTI in folders by severity, prepared by a public tutorial's recipe.

``CT-0/study_0001.nii.gz`` and so on; ``CT-23`` holds studies of CT-2 and CT-3. The recipe is
that of https://keras.io/examples/vision/3D_image_classification.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.options import sides
from crossbench.errors import DataError
from crossbench_tasks.importers._files import walk
from crossbench_tasks.importers._pixels import stored_nifti, unit_range, zoomed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from crossbench.specs.origins import Option

_LABELS = {"CT-0": 0, "CT-1": 1, "CT-2": 1, "CT-3": 1, "CT-4": 1, "CT-23": 1}
_STUDY = re.compile(r"study_\d{1,9}")


class Mosmed(Importer):
    """Studies; normal is CT-0, abnormal every other folder."""

    name = "mosmed"
    needs = ("nibabel",)
    unpacks = (".zip",)
    defaults: ClassVar[Mapping[str, Option]] = {"shape": (64, 128, 128), "window": (-1000, 400)}

    def list(self, source: Distribution) -> Listing:
        """The studies in the order of their numbers, in which classes lie mixed."""
        found: dict[str, Original] = {}
        for path in walk(source.folder, ".nii", ".nii.gz"):
            study, home = path.name.split(".", 1)[0], path.parent.name
            if not _STUDY.fullmatch(study) or home not in _LABELS:
                continue  # masks
            if study in found:
                both = f"{found[study].files[0]} and {path.as_posix()}"
                raise DataError(
                    f"{source.folder}: {study} is there twice ({both}); keep one of them"
                )
            found[study] = Original(
                id=study, label=_LABELS[home], files=(path.as_posix(),), group=study
            )
        if not found:
            msg = f"{source.folder}: no studies CT-0/study_*.nii.gz and CT-23/ or CT-1/ to CT-4/"
            raise DataError(f"{msg} in it or below; unpack the distribution there")
        notes = (
            "one study is one patient (inferred)",
            "samples are in the order of their studies' numbers; the tutorial's are in blocks",
        )
        return Listing(samples=tuple(found[study] for study in sorted(found)), notes=notes)

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(D, H, W) float32 in 0 to 1: windowed, turned by 90 degrees in plane, resized."""
        low, high = (float(each) for each in source.options["window"])  # type: ignore[union-attr]
        stored, _ = stored_nifti(source.folder / sample.files[0])
        turned = np.rot90(unit_range(stored, low, high), k=-1)
        depth, height, width = sides(source.options, "shape", 3)
        return zoomed(turned, (width, height, depth)).transpose(2, 1, 0)
