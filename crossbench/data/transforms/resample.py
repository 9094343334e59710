"""Resampling of whole batches on their device.

Cropping, resizing, mirroring, edge padding and zooming an axis are all linear maps of that
axis. Each is written here as one small matrix a sample, of shape (out, in) with rows that
sum to one, and :func:`resample` applies one matrix an axis by batched matrix products.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def resample(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    """Apply one matrix to each spatial axis.

    Args:
        x: (B, C, S_1, ..., S_n) floating point.
        weights: n matrices of shape (B, O_i, S_i), or (1, O_i, S_i) to serve all samples.

    Returns:
        (B, C, O_1, ..., O_n) with the dtype and on the device of ``x``.
    """
    for matrix in weights:
        # The first spatial axis goes in and comes out as the last; after n turns the order is back.
        columns = matrix.to(x).mT.unsqueeze(1)
        x = (x.flatten(3).mT @ columns).view(*x.shape[:2], *x.shape[3:], -1)
    return x


def linear_weights(
    start: Tensor, length: Tensor, *, size: int, out: int, mirror: Tensor | None = None
) -> Tensor:
    """Crop to ``[start, start + length)``, then resize to ``out`` with the triangle filter.

    The filter widens when shrinking, as in ``interpolate(mode="bilinear", antialias=True)``
    of PyTorch and in Pillow.

    Args:
        start: (B,) int64, first pixel of the crop.
        length: (B,) int64, pixels in the crop, at least 1.
        size: Pixels along the axis.
        out: Pixels after resizing.
        mirror: (B,) bool, whose result is turned round; None turns none.

    Returns:
        (B, out, size) float64.
    """
    first, count = (t.double()[:, None, None] for t in (start, length))
    ratio = count / out
    pixel = torch.arange(size, dtype=torch.float64, device=start.device) + 0.5
    target = torch.arange(out, dtype=torch.float64, device=start.device)[:, None] + 0.5
    if mirror is not None:
        target = torch.where(mirror[:, None, None], out - target, target)
    distance = (pixel - (first + target * ratio)).abs_().div_(ratio.clamp(min=1))
    weights = distance.neg_().add_(1).clamp_(min=0)
    weights *= (pixel > first) & (pixel < first + count)
    return weights.div_(weights.sum(-1, keepdim=True))


def zoom_weights(zoom: Tensor, *, size: int) -> Tensor:
    """Zoom about the centre with the area filter, then crop or edge-pad back to ``size``.

    The zoomed axis has ``floor(size * zoom)`` pixels, at least one; the filter is adaptive average
    pooling (``interpolate(mode="area")``); crop and padding are placed as by MONAI's
    ``Zoom(mode="area", padding_mode="edge", keep_size=True)``.

    Args:
        zoom: (B,) float64 factors, above 1 enlarging.
        size: Pixels along the axis.

    Returns:
        (B, size, size) float64.
    """
    zoomed = (size * zoom).floor().long().clamp(min=1)[:, None]
    first = torch.where(zoomed >= size, zoomed // 2 - size // 2, -((size - zoomed) // 2))
    pixel = torch.arange(size, device=zoom.device)
    row = torch.minimum((pixel + first).clamp(min=0), zoomed - 1)  # the clamps pad with the edge
    begin = row * size // zoomed
    end = -(-(row + 1) * size // zoomed)
    inside = (pixel >= begin[..., None]) & (pixel < end[..., None])
    return inside / (end - begin).double()[..., None]


def rotate(volumes: Tensor, angle: Tensor) -> Tensor:
    """Rotate about the depth axis through the centre, bilinear, the border repeated outside.

    As MONAI's ``Rotate((angle, 0, 0), padding_mode="border", align_corners=False)``: its
    ``x`` is the first spatial axis, so the rotation is in the plane of the other two and
    leaves depths apart, which makes it a 2D resampling with the depths as channels.

    Args:
        volumes: (B, C, D, H, W) floating point.
        angle: (B,) float64, radians.

    Returns:
        (B, C, D, H, W).
    """
    height, width = volumes.shape[3:]
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # affine_grid's axes are (x, y) = (width, height), each scaled to [-1, 1].
    rows = (cos, sin * height / width, zero, -sin * width / height, cos, zero)
    theta = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(theta, [len(volumes), 1, height, width], align_corners=False)
    planes = volumes.flatten(1, 2)
    rotated = functional.grid_sample(
        planes, grid.to(planes), mode="bilinear", padding_mode="border", align_corners=False
    )
    return rotated.view(volumes.shape)
