"""Attributions of networks of recordings: by hand, complete to rounding, and of a fitted one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import crossbench
from crossbench.results.records.diagnostics import Diagnostics


def make_attributions(
    identity: str = "abc", regions: int = 6, samples: int = 8, seed: int = 0
) -> Diagnostics:
    """Both views, connectivity adding three times what the time series do."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], samples)
    edges = rng.normal(size=(2, regions, regions))
    edges += edges.transpose(0, 2, 1)
    arrays = {
        "decision": 4 * signs + 0.5,
        "reference": np.full(samples, 0.5),
        "edges_sum": 3 * signs,
        "series_sum": signs,
        "edges": edges[0],
        "redrawn_edges": edges[1],
        **{
            f"{way}{view}_regions": rng.random(regions)
            for way in ("", "redrawn_")
            for view in ("edges", "series")
        },
    }
    return Diagnostics(
        identity=identity,
        index=np.arange(samples),
        drawn=np.arange(4),
        layers={"network": {name: values.astype(np.float32) for name, values in arrays.items()}},
    )


def attribute_phantom(folder: Path) -> None:
    """Fit two folds of a small network to a phantom, and write records and attributions."""
    table = crossbench.run(
        "fc-cnn",
        "phantom-connectivity",
        preset="fusion",
        backbone="test_resnet",
        seeds=[43],
        folds=[0, 1],
        settings=['data="phantom"', "fit.epochs=2", "compute.threads=1"],
        diagnostics=True,
        out=folder,
        device="cpu",
    )
    assert (table["status"] == "ok").all(), table["error_message"].tolist()
