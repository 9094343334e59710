"""Attributions of decisions on recordings as tables: shares of views, edges, regions, checks.

The arrays are those that docs/diagnostics.md describes; a run is one of them, a fold and a seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from crossbench.results.records.diagnostics import Diagnostics

    Arrays = Mapping[str, NDArray[np.float32]]

#: What a view is called for people, by the name of its arrays.
VIEWS = {"edges": "connectivity", "series": "time series"}


def attributed(diagnostics: Diagnostics | None) -> Arrays | None:
    """The attributions of a run's network; None where it has none."""
    layers = () if diagnostics is None else diagnostics.layers.values()
    return next((arrays for arrays in layers if "decision" in arrays), None)


def shares(arrays: Arrays) -> dict[str, float]:
    """How much of a run's decisions rests on each view, which sum to 1.

    It is the mean over samples of the magnitude of all that a view adds to a decision.
    """
    sizes = {
        name: float(np.abs(arrays[f"{key}_sum"]).mean()) if f"{key}_sum" in arrays else 0.0
        for key, name in VIEWS.items()
    }
    total = sum(sizes.values()) or 1.0
    return {name: size / total for name, size in sizes.items()}


def completeness_frame(runs: Sequence[Arrays]) -> pd.DataFrame:
    """One row a run and sample: ``run difference attributed``.

    That is the decision less that on the reference, and the sum of all attributions, which must
    equal it.
    """
    tables = []
    for run, arrays in enumerate(runs):
        sums = [arrays[f"{key}_sum"] for key in VIEWS if f"{key}_sum" in arrays]
        difference = arrays["decision"] - arrays["reference"]
        columns = {"run": run, "difference": difference, "attributed": np.sum(sums, axis=0)}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def deviation(completeness: pd.DataFrame) -> float:
    """Mean deviation of the sums from the differences, as a share of the differences' mean."""
    apart = (completeness["attributed"] - completeness["difference"]).abs().mean()
    return float(apart / (completeness["difference"].abs().mean() or 1.0))


def edge_frame(runs: Sequence[Arrays], most: int) -> pd.DataFrame:
    """One row a pair of regions, mean over runs: ``row column attribution``, regions from 1.

    Args:
        runs: Runs on one task.
        most: How many regions, those whose edges add most; their order is the atlas's.
    """
    mean = np.mean([arrays["edges"] for arrays in runs], axis=0)
    sizes = np.mean([arrays["edges_regions"] for arrays in runs], axis=0)
    kept = np.sort(np.argsort(-sizes, kind="stable")[:most])
    row, column = (kept[places.ravel()] for places in np.indices((len(kept), len(kept))))
    values = mean[row, column]
    return pd.DataFrame({"row": row + 1, "column": column + 1, "attribution": values})


def region_frame(runs: Sequence[Arrays], most: int) -> pd.DataFrame:
    """One row a region and view, mean over runs: ``region view attribution``, the largest first.

    Args:
        runs: Runs on one task.
        most: How many regions, those to which both views add most together.
    """
    found = {
        name: np.mean([arrays[f"{key}_regions"] for arrays in runs], axis=0)
        for key, name in VIEWS.items()
        if all(f"{key}_regions" in arrays for arrays in runs)
    }
    frame = pd.DataFrame(found)
    ranked = frame.loc[frame.sum(axis=1).sort_values(ascending=False, kind="stable").index[:most]]
    ranked.index = [f"region {place + 1}" for place in ranked.index]
    long = ranked.rename_axis("region").reset_index()
    return long.melt("region", var_name="view", value_name="attribution")


def sanity_frame(runs: Sequence[Arrays]) -> pd.DataFrame:
    """Rank correlations with the attributions of redrawn networks: ``attribution mean least most``.

    Near 0 attributions tell of what was learnt; near 1 of the input alone (Adebayo et al., arXiv
    1810.03292).
    """
    rows = []
    for key, what in {
        "edges": "edges, as in the matrix",
        "edges_regions": "regions by connectivity",
        "series_regions": "regions by time series",
    }.items():
        found = [_correlation(arrays, key) for arrays in runs if key in arrays]
        if found:
            values = {"mean": np.mean(found), "least": np.min(found), "most": np.max(found)}
            rows.append({"attribution": what, **values})
    return pd.DataFrame(rows)


def _correlation(arrays: Arrays, key: str) -> float:
    """Spearman's, 0 where one of the two is constant."""
    fitted, redrawn = (_flat(arrays[name]) for name in (key, f"redrawn_{key}"))
    if np.ptp(fitted) == 0 or np.ptp(redrawn) == 0:
        return 0.0
    return float(spearmanr(fitted.tolist(), redrawn.tolist()).statistic)


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """A vector, or a symmetric matrix above its diagonal."""
    return values if values.ndim == 1 else values[np.triu_indices(len(values), 1)]
