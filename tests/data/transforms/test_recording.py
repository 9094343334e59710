"""Transforms of recordings: ends, correlations, Fisher's z."""

from __future__ import annotations

import numpy as np
import torch

from crossbench.data.inputs.connectivity import count_volumes
from crossbench.data.transforms.recording import correlation, fisher_z, present


def test_volumes_end_with_the_last_that_is_not_zero():
    samples = torch.zeros(1, 2, 6)
    samples[0, 1, [0, 3]] = 1.0
    assert present(samples).tolist() == [[True] * 4 + [False] * 2]


def test_a_batch_and_a_single_recording_end_at_the_same_volume():
    recordings = np.zeros((4, 2, 6))
    recordings[0, 0, 3] = recordings[1, 1, [0, 5]] = recordings[2, :, 0] = 1
    counts = [count_volumes(recording) for recording in recordings]
    assert counts == [4, 6, 1, 0]
    assert present(torch.from_numpy(recordings)).sum(dim=1).tolist() == counts


def test_correlations_are_numpys_up_to_the_end_of_each_recording():
    drawn = np.random.default_rng(0).standard_normal((2, 3, 40)) + 100
    drawn[1, :, 25:] = 0
    found = correlation(torch.from_numpy(drawn)).numpy()
    np.testing.assert_allclose(found[0], np.corrcoef(drawn[0]), atol=1e-12)
    np.testing.assert_allclose(found[1], np.corrcoef(drawn[1, :, :25]), atol=1e-12)


def test_z_is_finite_for_equal_courses_and_zero_on_the_diagonal():
    z = fisher_z(torch.ones(1, 2, 2, dtype=torch.float64))
    assert torch.isfinite(z).all()
    assert z[0].diagonal().tolist() == [0, 0]
    assert z[0, 0, 1] > 7
