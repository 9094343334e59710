"""A task's samples, as every later stage sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from crossbench.specs import DataSource


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Samples and labels of one task, kept as they are stored.

    Attributes:
        images: (N, C, H, W) or (N, C, D, H, W) view in the file's own dtype, memory-mapped
            where the file allows; C is 1, 2 or 3. Gray is not repeated here.
        labels: (N,) int64 in [0, num_classes).
        num_classes: Number of classes on the card.
        groups: (N,) int64 codes of patients (or the card's group), None where unpublished.
        official: (N,) int8, 0 train, 1 validation, 2 test, None where there is no such split.
        covariate: (N,) float64 that a plain baseline predicts from, such as a diameter in mm.
        source: ``real``, ``embedded`` or ``phantom``.
        file: The file that was read.
        content_hash: SHA-256 over the arrays' names, dtypes, shapes and bytes.
        strata: (N,) int64 classes that splits keep in proportion where these are not the labels.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    num_classes: int
    groups: NDArray[np.int64] | None
    official: NDArray[np.int8] | None
    covariate: NDArray[np.float64] | None
    source: DataSource
    file: Path
    content_hash: str
    strata: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)
