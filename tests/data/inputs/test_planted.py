"""Phantoms of recordings: their form, and the same ones every time."""

from __future__ import annotations

import numpy as np
import pytest

from crossbench.data.inputs.planted import draw_recordings
from crossbench.registry.tasks import find_task


@pytest.mark.parametrize("where", ["connectivity", "timeseries", "both", "site", "none"])
def test_phantoms_are_the_same_every_time_and_end_where_they_say(where):
    card = find_task("phantom-both")
    first, second = (draw_recordings(card, where) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert np.bincount(first["labels"]).tolist() == [60, 60]
    for recording, length in zip(first["images"], first["lengths"], strict=True):
        assert recording[:, :length].all()
        assert not recording[:, length:].any()
    agree = (first["site"] == np.array(["site-1", "site-2"])[first["labels"]]).mean()
    assert (agree > 0.8) == (where == "site")
