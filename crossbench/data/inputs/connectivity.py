"""Measures of functional connectivity between regions, one of which may be fitted to samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

#: Those that are no plain function of a recording, but of it and the training part.
FITTED = ("tangent",)


class Correlation:
    """Fisher's z of Pearson correlations."""

    def __call__(self, samples: Tensor) -> Tensor:
        """Connectivity (B, R, R) float64."""
        from crossbench.data.transforms.recording import correlation, fisher_z

        return fisher_z(correlation(samples))


@dataclass(frozen=True, eq=False)
class Nilearn:
    """A measure of nilearn, on covariances that are shrunk as Ledoit and Wolf do.

    Attributes:
        fitted: nilearn's ``ConnectivityMeasure``, fitted.
        z: Whether it is a correlation, of which Fisher's z is taken.
    """

    fitted: Any
    z: bool

    def __call__(self, samples: Tensor) -> Tensor:
        """Connectivity (B, R, R) float64."""
        import torch

        from crossbench.data.transforms.recording import fisher_z

        found = self.fitted.transform(list(map(cut, samples.cpu().numpy())))
        matrices = torch.from_numpy(np.asarray(found, np.float64)).to(samples.device)
        if self.z:
            return fisher_z(matrices)
        return matrices - torch.diag_embed(matrices.diagonal(dim1=1, dim2=2))


def fit_nilearn(kind: str, recordings: Sequence[NDArray[Any]]) -> Nilearn:
    """Fit nilearn's ``partial correlation``, or ``tangent`` about the mean of some recordings.

    Args:
        kind: ``partial`` or ``tangent``.
        recordings: (R, T) each, zeros after their end.

    Raises:
        RequestError: If nilearn is not installed.
    """
    try:
        from nilearn.connectome import ConnectivityMeasure
    except ImportError as error:
        msg = f"connectivity {kind!r} is computed by nilearn, which is not installed"
        raise RequestError(f"{msg}; pip install 'crossbench[fmri]'") from error
    name = {"partial": "partial correlation"}.get(kind, kind)
    measure = ConnectivityMeasure(kind=name, standardize=True)
    return Nilearn(fitted=measure.fit(list(map(cut, recordings))), z=kind == "partial")


def cut(recording: NDArray[Any]) -> NDArray[np.float64]:
    """(T', R) volumes before the end of a recording (R, T)."""
    return recording[:, : count_volumes(recording)].T.astype(np.float64)


def count_volumes(recording: NDArray[Any]) -> int:
    """Volumes before the end of a recording (R, T), after which every region is 0."""
    (volumes,) = np.nonzero((recording != 0).any(axis=0))
    return int(volumes[-1]) + 1 if len(volumes) else 0
