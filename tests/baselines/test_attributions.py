"""Attributions as tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from made_attributions import make_attributions
from made_diagnostics import make

from crossbench_baselines.attributions import (
    attributed,
    completeness_frame,
    deviation,
    edge_frame,
    region_frame,
    sanity_frame,
    shares,
)


def arrays(**changes: Any) -> Any:
    return {**make_attributions().layers["network"], **changes}


def test_layers_of_another_kind_have_no_attributions() -> None:
    assert attributed(make()) is None
    assert attributed(None) is None
    found = attributed(dataclasses.replace(make_attributions()))
    assert found is not None
    assert found["edges"].shape == (6, 6)


def test_shares_are_of_what_each_view_adds() -> None:
    assert shares(arrays()) == pytest.approx({"connectivity": 0.75, "time series": 0.25})
    alone = {name: values for name, values in arrays().items() if "series" not in name}
    assert shares(alone) == {"connectivity": 1.0, "time series": 0.0}


def test_completeness_is_measured_on_every_sample_of_every_run() -> None:
    frame = completeness_frame([arrays(), arrays(reference=np.zeros(8))])
    assert len(frame) == 16
    assert deviation(frame[frame["run"] == 0]) == pytest.approx(0, abs=1e-6)
    assert deviation(frame[frame["run"] == 1]) == pytest.approx(0.5 / 4, abs=0.02)


def test_edges_are_means_over_runs_of_the_regions_that_add_most() -> None:
    one, other = arrays(), arrays(edges=np.zeros((6, 6)))
    frame = edge_frame([one, other], 3)
    kept = 1 + np.sort(np.argsort(-one["edges_regions"])[:3])
    assert frame["row"].unique().tolist() == kept.tolist()
    expected = one["edges"][np.ix_(kept - 1, kept - 1)].ravel() / 2
    np.testing.assert_allclose(frame["attribution"], expected)


def test_regions_are_ranked_by_both_views_together() -> None:
    frame = region_frame([arrays()], 2)
    total = arrays()["edges_regions"] + arrays()["series_regions"]
    ranked = [f"region {place + 1}" for place in np.argsort(-total)[:2]]
    assert frame["region"].tolist() == ranked * 2
    assert frame["view"].tolist() == ["connectivity"] * 2 + ["time series"] * 2


def test_redrawn_weights_that_change_nothing_are_told_by_a_correlation_of_one() -> None:
    same = arrays(redrawn_edges=2 * arrays()["edges"], redrawn_series_regions=np.ones(6))
    frame = sanity_frame([same]).set_index("attribution")["mean"]
    assert frame["edges, as in the matrix"] == pytest.approx(1)
    assert frame["regions by time series"] == 0
    assert len(frame) == 3
