"""Taps of a kernel that meet padding alone, left out of a convolution.

Where a map is one voxel wide, a 3x3x3 kernel with padding 1 multiplies 26 of its 27 taps by zeros.
A kernel cut to the taps that reach the map gives the same output, and the same gradients, which are
zero for the others: the parameter keeps its shape.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class Axis(NamedTuple):
    """A convolution along one axis.

    Attributes:
        size: Positions of the input.
        taps: Of the kernel.
        stride: Positions between outputs.
        padding: Zeros on either side.
        dilation: Positions between taps.
    """

    size: int
    taps: int
    stride: int
    padding: int
    dilation: int

    @property
    def outputs(self) -> int:
        """Positions of the output."""
        reach = self.dilation * (self.taps - 1) + 1
        return (self.size + 2 * self.padding - reach) // self.stride + 1


class Cut(NamedTuple):
    """The taps along one axis that reach the map.

    Attributes:
        first: The first.
        end: One behind the last.
        padding: Zeros on either side with which these taps meet what they met before.
    """

    first: int
    end: int
    padding: int


def cut_kernel(
    x: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Tensor, tuple[int, ...]]:
    """A kernel without the taps that meet padding alone, and the padding that it takes.

    Args:
        x: (B, C_in, *spatial).
        weight: (C_out, C_in / groups, *kernel).
        stride: A number for each axis.
        padding: Likewise.
        dilation: Likewise.

    Returns:
        A view of ``weight``, and a padding, with which the convolution of ``x`` is the same.
    """
    axes = map(Axis, x.shape[2:], weight.shape[2:], stride, padding, dilation)
    cuts = [_reached(axis) for axis in axes]
    kept = (slice(None), slice(None), *(slice(cut.first, cut.end) for cut in cuts))
    return weight[kept], tuple(cut.padding for cut in cuts)


@lru_cache(maxsize=4096)
def _reached(axis: Axis) -> Cut:
    """The taps that meet the map at some output; all, where no shorter kernel gives as many."""
    starts = [place * axis.stride - axis.padding for place in range(axis.outputs)]
    reached = [
        tap
        for tap in range(axis.taps)
        if any(0 <= start + tap * axis.dilation < axis.size for start in starts)
    ]
    whole = Cut(0, axis.taps, axis.padding)
    if not reached:
        return whole
    first, end = reached[0], reached[-1] + 1
    cut = Cut(first, end, axis.padding - first * axis.dilation)
    shorter = axis._replace(taps=end - first, padding=cut.padding)
    return cut if cut.padding >= 0 and shorter.outputs == axis.outputs else whole
