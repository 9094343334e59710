"""MLSP 2014 schizophrenia challenge: correlations between 28 brain networks of 86 subjects.

``train_FNC.csv`` has a row a subject with the 378 pairs of networks, ``train_labels.csv`` the
classes. The wheel of geomstats carries both; it is never imported.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.errors import DataError, RequestError
from crossbench.files.hashing import hash_file
from crossbench_tasks.importers._files import find, read_csv

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAIRS, _LABELS = "train_FNC.csv", "train_labels.csv"
_DIGESTS = {
    _PAIRS: "98a002348c9be8bede424606f4dc4f3a53e5d4314b9b0cca70f0b0e34fce55ff",
    _LABELS: "4bec4775433672df04444066e0625c3198db3274a93c40a8d98676cf380276fc",
}
_NETWORKS = 28
_INSTALL = "pip install --no-deps geomstats==2.8.0"


class Mlsp2014(Importer):
    """Subjects by identifier; the matrix is filled row by row above its diagonal."""

    name = "mlsp2014"

    def __init__(self) -> None:
        self._pairs: dict[Path, NDArray[np.float64]] = {}

    def locate(self) -> Path:
        """The folder of the files in the installed wheel of geomstats."""
        try:
            found = distribution("geomstats").locate_file("geomstats/datasets/data/connectomes")
        except PackageNotFoundError as error:
            msg = "the data of MLSP 2014 lies in the wheel of geomstats, which is not installed"
            raise RequestError(f"{msg}; {_INSTALL}") from error
        return Path(str(found))

    def list(self, source: Distribution) -> Listing:
        """The subjects in the order of the file."""
        file, labels_file = (_checked(source.folder, name) for name in (_PAIRS, _LABELS))
        columns = [f"FNC{number + 1}" for number in range(_NETWORKS * (_NETWORKS - 1) // 2)]
        table, labels = read_csv(file, ("Id", *columns)), read_csv(labels_file, ("Id", "Class"))
        classes = dict(zip(labels["Id"], labels["Class"], strict=True))
        self._pairs = {source.folder: table[columns].to_numpy(np.float64)}
        samples = tuple(
            Original(
                id=name,
                label=int(classes[name]),
                files=(file.relative_to(source.folder).as_posix(),),
                group=name,
                place=place,
            )
            for place, name in enumerate(table["Id"])
        )
        return Listing(samples=samples)

    def read(self, source: Distribution, sample: Original) -> NDArray[np.float64]:
        """(28, 28) correlations."""
        matrix = np.eye(_NETWORKS)
        rows, columns = np.triu_indices(_NETWORKS, 1)
        matrix[rows, columns] = matrix[columns, rows] = self._pairs[source.folder][sample.place]
        return matrix


def _checked(folder: Path, name: str) -> Path:
    """A file of the challenge, whose content is the known one."""
    file = find(folder, name, of="geomstats 2.8.0")
    if hash_file(file) != _DIGESTS[name]:
        raise DataError(f"{file}: is not the file of geomstats 2.8.0; {_INSTALL}")
    return file
