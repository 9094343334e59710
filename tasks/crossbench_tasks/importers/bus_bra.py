"""BUS-BRA: breast ultrasounds as PNG, with a table of cases and the publisher's folds.

Zenodo 8231412: ``BUSBRA/Images/bus_0001-l.png``, ``bus_data.csv`` and ``5-fold-cv.csv``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.options import whole
from crossbench.errors import DataError
from crossbench_tasks.importers._files import find, read_csv
from crossbench_tasks.importers._pixels import gray_picture, in_channels, resized

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Option

_TABLE, _FOLDS = "bus_data.csv", "5-fold-cv.csv"
_PARTS = {"1": 0, "1.0": 0, "0": 1, "0.0": 1, "NaN": 2, "nan": 2, "": 2}


class BusBra(Importer):
    """One row an image; a row without its file and a file without a row are left out and told."""

    name = "bus-bra"
    unpacks = (".zip",)
    defaults: ClassVar[Mapping[str, Option]] = {
        "size": 224,
        "channels": 1,
        "resample": "bilinear",
        "official_fold": 0,
    }

    def list(self, source: Distribution) -> Listing:
        """The images in the order of the table."""
        file = find(source.folder, _TABLE, of="BUS-BRA")
        table = read_csv(file, ("ID", "Case", "Pathology"))
        home = file.parent.relative_to(source.folder)
        fold = whole(source.options, "official_fold", least=0)
        parts = _official(file.parent / _FOLDS, fold) if fold else {}
        dropped = _strangers(file.parent, set(table["ID"]))
        samples: dict[str, Original] = {}
        for row in table.to_dict("records"):
            sample = _original(source.card, file, row, (home / "Images").as_posix(), parts)
            if sample.id in samples:
                if sample != samples[sample.id]:
                    msg = f"{file}: rows of {sample.id!r} contradict each other; correct the table"
                    raise DataError(msg)
                dropped.append((sample.id, "second row of the same image"))
            elif not (source.folder / sample.files[0]).is_file():
                dropped.append((sample.id, "row without its image file"))
            else:
                samples[sample.id] = sample
        once = "stored once" if source.options["channels"] == 1 else "repeated"
        notes = (
            "images are resized to a square, their aspect not kept (inferred)",
            f"the gray image is {once}; the authors' file repeats it to three channels",
        )
        return Listing(samples=tuple(samples.values()), dropped=tuple(dropped), notes=notes)

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(H, W) or (C, H, W) uint8."""
        pixels = gray_picture(source.folder / sample.files[0])
        made = resized(pixels, whole(source.options, "size"), str(source.options["resample"]))
        return in_channels(made, whole(source.options, "channels"))


def _original(
    card: TaskCard, file: Path, row: Mapping[Any, str], images: str, parts: Mapping[str, int]
) -> Original:
    name, case, pathology = row["ID"].strip(), row["Case"].strip(), row["Pathology"].strip()
    if not name or not case or pathology not in card.classes:
        msg = f"{file}: row of ID {name!r}, Case {case!r} has Pathology {pathology!r}; it needs"
        raise DataError(f"{msg} all three, and one of {', '.join(card.classes)}")
    if parts and name not in parts:
        raise DataError(f"{file}: {name!r} has no row in {_FOLDS}; get both tables again")
    return Original(
        id=name,
        label=card.classes.index(pathology),
        files=(f"{images}/{name}.png",),
        group=case,
        official=parts.get(name, -1),
    )


def _strangers(home: Path, known: set[str]) -> list[tuple[str, str]]:
    names = sorted(file.stem for file in (home / "Images").glob("*.png"))
    return [(name, "image file without a row") for name in names if name not in known]


def _official(file: Path, fold: int) -> dict[str, int]:
    """The parts of images in a round of the publisher's cross-validation."""
    column = f"valid_{fold}"
    table: pd.DataFrame = read_csv(file, ("ID", column))
    unknown = sorted(set(table[column]) - _PARTS.keys())
    if unknown:
        raise DataError(f"{file}: {column} has {unknown[0]!r}; it must be 1, 0 or NaN")
    return {name: _PARTS[part] for name, part in zip(table["ID"], table[column], strict=True)}
