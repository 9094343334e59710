"""Hand-made attributions of a network of recordings, complete to rounding."""

from __future__ import annotations

import numpy as np

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
