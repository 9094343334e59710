"""From recordings of regions over time to rows of coordinates, connectivity and time series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from crossbench.data.transforms.batch import RandomSource

_QUARTILES = (0.25, 0.5, 0.75)
_LARGEST_R = 1 - 1e-6  # Fisher's z of 1 is infinite


class Measure(Protocol):
    """A measure of connectivity between regions."""

    def __call__(self, samples: Tensor) -> Tensor:
        """Connectivity (B, R, R), 0 on the diagonal, of time series (B, R, T)."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordingTransform:
    """One row a region: its coordinates, its connectivity, its time series.

    Nothing is drawn at random: recordings are fed whole, and networks cut them into windows.

    Attributes:
        coordinates: (R, 3) float32 in mm; zeros where unknown.
        measure: What connectivity is; None leaves it out.
        series: Whether samples are time series (B, 1, R, T) that are fed; otherwise those of
            connectivity are matrices (B, 1, R, R) of correlations or, with a measure, time series
            that are not fed themselves.
        stored: Whether samples are matrices of correlations.
        quartiles: (3, R) float32 of each region over the training part; None takes those of each
            recording.
    """

    coordinates: NDArray[np.float32]
    measure: Measure | None
    series: bool
    stored: bool = False
    quartiles: NDArray[np.float32] | None = None

    def __call__(self, raw: Tensor, random: RandomSource | None = None) -> Tensor:  # noqa: ARG002
        """(B, 1, R, 3 + R + T) float32 of a stored batch; parts that are left out take no columns.

        A region that never varies has connectivity 0 and time series 0; so has every region after
        the end of its recording.
        """
        samples = raw[:, 0].float()
        coordinates = torch.from_numpy(self.coordinates).to(raw.device)
        parts = [coordinates.expand(len(samples), -1, -1)]
        if self.stored:
            parts.append(fisher_z(samples.double()).float())
        elif self.measure is not None:
            parts.append(self.measure(samples).float())
        if self.series:
            parts.append(self._scaled(samples))
        return torch.cat(parts, dim=2)[:, None].contiguous()

    def _scaled(self, samples: Tensor) -> Tensor:
        """Time series less the median, over the range between the quartiles."""
        there = present(samples)[:, None]
        if self.quartiles is None:
            known = samples.masked_fill(~there, torch.nan)
            levels = samples.new_tensor(_QUARTILES)
            low, middle, high = known.nanquantile(levels, dim=2, keepdim=True)
        else:
            low, middle, high = torch.from_numpy(self.quartiles).to(samples.device)[
                :, None, :, None
            ]
        span = high - low
        scaled = (samples - middle) / torch.where(span > 0, span, 1)
        return torch.where(there & (span > 0), scaled, 0)


def present(samples: Tensor) -> Tensor:
    """Which volumes are before the end of their recording: (B, R, T) as (B, T) bool.

    As :func:`crossbench.data.inputs.connectivity.count_volumes`, of a batch on its device.
    """
    any_region = (samples != 0).any(dim=1)
    return any_region.flip(1).cummax(dim=1).values.flip(1)


def correlation(samples: Tensor) -> Tensor:
    """Pearson correlation (B, R, R) float64 of recordings (B, R, T), 0 of constant regions."""
    there = present(samples)[:, None]
    count = there.sum(dim=2, keepdim=True).clamp(min=1)
    values = samples.double() * there
    centred = (values - values.sum(dim=2, keepdim=True) / count) * there
    norm = centred.norm(dim=2, keepdim=True)
    varies = norm > 1e-9 * values.norm(dim=2, keepdim=True)
    unit = torch.where(varies, centred / norm.clamp(min=torch.finfo(norm.dtype).tiny), 0)
    return unit @ unit.mT


def fisher_z(correlations: Tensor) -> Tensor:
    """Inverse hyperbolic tangent of (B, R, R) correlations, 0 on the diagonal."""
    z = correlations.clamp(-_LARGEST_R, _LARGEST_R).atanh()
    return z - torch.diag_embed(z.diagonal(dim1=1, dim2=2))
