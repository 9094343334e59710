"""Hand-made diagnostics of three layers, two of which have kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossbench.results.records.diagnostics import Diagnostics


def make(samples: int = 5, drawn: int = 2, channels: int = 3, size: int = 3) -> Diagnostics:
    random = np.random.default_rng(0)

    def numbers(*shape: int) -> Any:
        return random.normal(size=shape).astype(np.float32)

    measured = {"angle": numbers(samples), "shift": numbers(samples, 3)}
    kernels = {
        "kernel_middle": numbers(channels, size, size),
        "kernel_unturned": numbers(channels, size, size),
        "kernel_shifted": numbers(drawn, channels, size, size),
    }
    return Diagnostics(
        identity="abc",
        index=np.arange(samples) * 10,
        drawn=np.arange(drawn) * 10,
        layers={"stem/conv": measured | kernels, "down": measured, "a.conv1": measured | kernels},
    )
