"""Features of plain baselines: scaled, averaged by area, the same in chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossbench.data.inputs.pixels import _area_weights, _scale, pixel_features, shrink


def test_chunks_join_without_a_seam(monkeypatch):
    images = np.random.default_rng(0).integers(0, 99, (60, 1, 40, 40)).astype(np.uint8)
    index = np.arange(1, 60, 2)
    whole = pixel_features(images, index, 32)
    monkeypatch.setattr("crossbench.data.inputs.pixels._CHUNK_VALUES", 7 * 40 * 40)
    np.testing.assert_allclose(pixel_features(images, index, 32), whole, atol=1e-6)
    assert whole.shape == (30, 32 * 32)


@pytest.mark.parametrize("value", [0, 1, 255])
def test_a_constant_sample_becomes_exactly_zero(value):
    images = np.full((2, 1, 100, 37), value, np.uint8)
    assert (pixel_features(images, np.arange(2), 32) == 0).all()


@given(arrays(np.int16, st.tuples(st.integers(1, 3), st.just(2), st.just(3), st.just(3))))
def test_scaling_maps_the_range_of_every_sample_to_zero_one(batch):
    scaled = _scale(batch)
    for sample, result in zip(batch, scaled, strict=True):
        assert result.min() == 0
        assert result.max() == (sample.min() != sample.max())
        order = np.argsort(sample, axis=None)
        assert (np.diff(result.ravel()[order]) >= 0).all()


@settings(deadline=None)
@given(st.integers(2, 300), st.integers(1, 40))
def test_area_weights_average_every_pixel_alike(size, side):
    side = min(side, size)
    weights = _area_weights(size, side)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=0), side / size, atol=1e-5)


def test_shrinking_by_a_whole_factor_is_the_mean_of_blocks():
    volume = np.random.default_rng(0).random((2, 3, 32, 48, 16)).astype(np.float32)
    blocks = volume.reshape(2, 3, 16, 2, 16, 3, 16).mean(axis=(3, 5))
    np.testing.assert_allclose(shrink(volume, 16), blocks, atol=1e-6)


def test_images_within_the_limit_are_left_as_they_are():
    images = np.random.default_rng(0).random((2, 1, 28, 32)).astype(np.float32)
    np.testing.assert_array_equal(shrink(images, 32), images)
