"""Diagnostics of Cross-D layers as tables: predicted shifts and shifted kernels.

The arrays are those that docs/diagnostics.md describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.results.records.diagnostics import Diagnostics

_AXES = ("first", "second", "third")


def shift_layers(diagnostics: Diagnostics) -> list[str]:
    """The layers that predict a shift and have kernels which it changes, in network order."""
    return [name for name, arrays in diagnostics.layers.items() if "kernel_shifted" in arrays]


def shift_frame(diagnostics: Diagnostics) -> pd.DataFrame:
    """One row a layer and sample: ``layer sample angle first second third``.

    ``angle`` is in radians, the shifts along the kernel's three axes in voxels.
    """
    tables = []
    for layer in shift_layers(diagnostics):
        arrays = diagnostics.layers[layer]
        shifts = dict(zip(_AXES, arrays["shift"].T, strict=True))
        columns = {"sample": diagnostics.index, "angle": arrays["angle"]} | shifts
        tables.append(pd.DataFrame(columns).assign(layer=layer))
    frame = pd.concat(tables) if tables else pd.DataFrame(columns=["sample", "angle", *_AXES])
    return frame.reset_index(drop=True)


def kernel_frame(diagnostics: Diagnostics, layer: str) -> pd.DataFrame:
    """The pictured kernels of one layer: ``kernel channel row column weight change``.

    ``kernel`` is "middle slice", "angle 0" or "sample N"; rows and columns count from 0;
    ``change`` is the difference to the weight at angle 0.
    """
    arrays = diagnostics.layers[layer]
    samples = zip(diagnostics.drawn, arrays["kernel_shifted"], strict=True)
    kernels = {
        "middle slice": arrays["kernel_middle"],
        "angle 0": arrays["kernel_unturned"],
        **{f"sample {index}": kernel for index, kernel in samples},
    }
    unturned = arrays["kernel_unturned"].ravel()
    frames = [
        _pixels(values).assign(kernel=name, change=values.ravel() - unturned)
        for name, values in kernels.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _pixels(kernel: NDArray[np.float32]) -> pd.DataFrame:
    """(C, K, K) weights as one row each."""
    channel, row, column = (places.ravel() for places in np.indices(kernel.shape))
    return pd.DataFrame(
        {"channel": channel, "row": row, "column": column, "weight": kernel.ravel()}
    )
