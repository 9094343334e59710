"""Small pictures and volumes of two classes, as a user's folder may hold them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CLASSES = ("benign", "malignant")


def pixels(number: int, *shape: int) -> NDArray[np.uint8]:
    """Noise around a brightness that tells the class of an odd number from an even one's."""
    random = np.random.default_rng(number)
    base = 150 if number % 2 else 20
    return random.integers(base, base + 80, shape).astype(np.uint8)


def save_picture(file: Path, number: int, *shape: int, **options: Any) -> Path:
    """A picture, (H, W) or (H, W, 3)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(number, *shape)).save(file, **options)
    return file


def class_folders(root: Path, *, samples: int = 12, shape: Sequence[int] = (40, 40)) -> Path:
    """``CLASS/pPATIENT_NUMBER.png``, a patient for two pictures of a class."""
    for number in range(samples):
        name = f"p{number % 2}{number // 4}_{number}.png"
        save_picture(root / CLASSES[number % 2] / name, number, *shape)
    return root


def save_volume(
    file: Path,
    voxels: NDArray[Any],
    *,
    spacing: Sequence[float] = (1, 1, 1),
    axes: str = "RAS",
    code: int = 1,
    **header: object,
) -> Path:
    """A NIfTI file.

    Args:
        file: Where it goes.
        voxels: (X, Y, Z) in RAS.
        spacing: Millimetres along x, y and z.
        axes: How it is stored.
        code: Of sform and qform; 0 states no orientation.
        header: Further fields.
    """
    import nibabel
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    image: Any = nibabel.Nifti1Image(voxels, np.diag([*spacing, 1.0]))
    turn: Any = ornt_transform(io_orientation(image.affine), axcodes2ornt(axes))
    image = image.as_reoriented(turn)
    image.set_sform(image.affine, code)
    image.set_qform(image.affine, code)
    for key, value in header.items():
        image.header[key] = value
    file.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(file)
    return file


def save_table(file: Path, rows: Sequence[Mapping[str, object]], delimiter: str = ",") -> Path:
    """A table with the keys of the first row as columns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return file


def scans_with_table(root: Path, *, samples: int = 24, side: int = 32) -> Path:
    """``volumes/scanNN.nii.gz`` of several orientations and spacings, and ``table.csv``.

    Two volumes are of one patient, whose class the patient's number tells. The last row of the
    table has no file.
    """
    rows = []
    for number in range(samples + 1):
        name, patient = f"scan{number:02}.nii.gz", number // 2
        rows.append(
            {"File": name, "Diagnosis": CLASSES[patient % 2], "Patient ID": f"P{patient:02}"}
        )
        if number < samples:
            shape = (side, side + number % 3, side - patient % 2)
            save_volume(
                root / "volumes" / name,
                pixels(patient, *shape).astype(np.int16) - 100 + number,
                spacing=(1, 1, 1 + number % 2),
                axes=("RAS", "LPS", "PIR")[number % 3],
            )
    save_table(root / "table.csv", rows)
    return root
