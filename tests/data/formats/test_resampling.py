"""Resampling of one sample, against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from crossbench.data.formats.resampling import fitted, respace

sides, several = st.integers(1, 9), st.integers(2, 9)


def noise(*shape: int, dtype: type = np.float64) -> np.ndarray:
    values = np.random.default_rng(0).integers(-500, 500, shape)
    return values.astype(dtype)


@given(st.tuples(several, several), st.tuples(several, several), st.integers(1, 3))
def test_stretching_is_antialiased_bilinear_interpolation(
    old: tuple[int, int], new: tuple[int, int], channels: int
) -> None:
    sample = noise(channels, *old)
    theirs = functional.interpolate(
        torch.from_numpy(sample)[None], new, mode="bilinear", antialias=True, align_corners=False
    )
    assert np.allclose(fitted(sample, new, "stretch"), theirs[0].numpy(), atol=1e-9)


def test_volumes_are_resampled_along_each_axis_in_turn() -> None:
    sample = noise(1, 6, 8, 10)
    ours = respace(sample, (2, 1, 0.5), (1, 1, 1))
    assert ours.shape == (1, 12, 8, 5)
    plane = torch.from_numpy(sample[0, 2])[None, None]
    theirs = functional.interpolate(plane, (8, 5), mode="bilinear", antialias=True)
    shrunk = respace(sample, (1, 1, 0.5), (1, 1, 1))
    assert np.allclose(shrunk[0, 2], theirs[0, 0].numpy())


@given(st.tuples(sides, sides, sides), st.floats(0.2, 5), st.floats(0.2, 5))
def test_a_ramp_stays_one_in_millimetres(
    shape: tuple[int, ...], spacing: float, target: float
) -> None:
    """Linear interpolation keeps what is linear, away from the border; the centre stays put."""
    ramp = (np.arange(shape[0]) - (shape[0] - 1) / 2) * spacing
    sample = np.broadcast_to(ramp[:, None, None], shape)[None]
    found = respace(sample, (spacing, 1, 1), (target, 1, 1))[0, :, 0, 0]
    place = (np.arange(len(found)) - (len(found) - 1) / 2) * target
    inside = np.abs(place) + max(target, spacing) <= abs(ramp[-1])
    bound = 1e-6 if target <= spacing else 0.15 * spacing  # shares of voxels sum to one, no more
    assert np.allclose(found[inside], place[inside], atol=bound)
    assert len(found) == max(1, round(shape[0] * spacing / target))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_the_dtype_and_the_range_stay(dtype: type) -> None:
    limits = np.iinfo(dtype) if np.issubdtype(dtype, np.integer) else np.finfo(np.float16)
    sample = np.array([[[limits.min, limits.max] * 4]], dtype)
    for side in (3, 8, 13):
        found = fitted(sample, (1, side), "stretch")
        assert found.dtype == dtype
        assert found.min() >= limits.min
        assert found.max() <= limits.max
    same = noise(1, 5, 6, dtype=np.int16)
    assert np.array_equal(fitted(same, (5, 6), "stretch"), same)
    assert np.array_equal(respace(same[:, None], (1, 1, 1), (1, 1, 1))[0], same)


def test_centring_cuts_and_fills_up() -> None:
    sample = noise(2, 6, 3, dtype=np.int16)
    found = fitted(sample, (4, 5), "centre")
    assert np.array_equal(found[:, :, 1:4], sample[:, 1:5])
    assert (found[:, :, [0, 4]] == sample.min()).all()


def test_proportions_are_kept_by_padding_and_covering() -> None:
    sample = noise(1, 10, 20)
    padded = fitted(sample, (8, 8), "pad")
    assert np.array_equal(padded[:, 2:6], fitted(sample, (4, 8), "stretch"))
    assert (padded[:, [0, 1, 6, 7]] == fitted(sample, (4, 8), "stretch").min()).all()
    covered = fitted(sample, (8, 8), "cover")
    assert np.array_equal(covered, fitted(sample, (8, 16), "stretch")[..., 4:12])
    thin = fitted(noise(1, 1, 900), (8, 8), "pad")
    assert thin.shape == (1, 8, 8)
