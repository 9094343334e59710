"""Gray batches: three channels that are one, but for the statistics that they are normalised by.

A batch is an ordinary tensor of three channels, whatever it is fed to. That it was gray is noted
on the tensor itself, for whoever can do with one channel; what is made of the batch is another
tensor, without the note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

#: Values of three channels.
Triple = tuple[float, float, float]

_NOTE = "_crossbench_gray"


class Gray(NamedTuple):
    """What makes the channels of a batch one: channel c is ``scale[c] * x[:, 0] + offset[c]``.

    Attributes:
        scale: A factor for each channel; the first is 1.
        offset: What is added to each channel; the first is 0.
        version: Of the tensor, which counts its changes in place.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    version: int


def note_gray(batch: Tensor, mean: Triple, std: Triple) -> None:
    """Note that (B, 3, *S) is one channel g, normalised to ``(g - mean[c]) / std[c]``."""
    if batch.is_inference():  # whose changes nobody counts
        return
    scale = tuple(std[0] / each for each in std)
    offset = tuple((mean[0] - m) / s for m, s in zip(mean, std, strict=True))
    setattr(batch, _NOTE, Gray(scale, offset, batch._version))  # noqa: SLF001


def find_gray(batch: Tensor) -> Gray | None:
    """What was noted of a tensor; None, too, where it has changed since or wants a gradient."""
    found: Gray | None = getattr(batch, _NOTE, None)
    if found is None or batch.requires_grad or found.version != batch._version:  # noqa: SLF001
        return None
    return found
