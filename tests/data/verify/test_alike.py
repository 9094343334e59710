from __future__ import annotations

import numpy as np
import pytest

from crossbench.data.survey import ranges
from crossbench.data.verify.alike import exact_pairs, near_hashes, near_pairs
from crossbench.data.verify.looks import look


def distances(bits: np.ndarray) -> np.ndarray:
    return (bits[:, None] != bits[None]).sum(axis=-1)


@pytest.mark.parametrize("radius", [0, 3, 8])
def test_every_pair_within_the_radius_is_found(radius: int) -> None:
    random = np.random.default_rng(radius)
    bits = random.random((300, 64)) < 0.5
    for place in range(100):  # copies with some bits turned, up to more than the radius
        turned = random.choice(64, place % (radius + 3), replace=False)
        bits[200 + place] = bits[place]
        bits[200 + place, turned] ^= True
    found = near_hashes(bits, radius)
    expected = np.argwhere(np.triu(distances(bits) <= radius, 1))
    assert found.crowded == 0
    np.testing.assert_array_equal(found.pairs, expected)


def test_in_a_crowded_bucket_equal_hashes_stay_linked() -> None:
    bits = np.zeros((1000, 64), bool)
    bits[::2, 0] = True
    found = near_hashes(bits, 0, reach=4)
    assert found.crowded == 1000
    assert found.compared < 3 * 4 * 1000
    for half in (0, 1):
        chained = found.pairs[found.pairs[:, 0] % 2 == half]
        assert np.unique(chained).size == 500


def test_exact_copies_are_paired_with_the_first() -> None:
    hashes = np.array([7, 0, 9, 7, 0, 7], np.uint64)
    assert exact_pairs(hashes).tolist() == [[0, 3], [0, 5]]


def test_changed_copies_are_found_and_common_looks_are_not() -> None:
    random = np.random.default_rng(0)
    disc = np.hypot(*np.mgrid[-1:1:32j, -1:1:32j]) < 0.9
    own = np.kron(random.random((400, 8, 8)), np.ones((4, 4)))
    images = (disc * (160 + 40 * own)).astype(np.uint8)
    images[300] = np.clip(images[10] * 0.9 + random.normal(0, 2, (32, 32)), 0, 255)
    images[301] = np.roll(images[20], 0) // 2
    images[302] = images[30]
    images[303] = 17
    looks = look(images[:, None], ranges(images[:, None]).span)
    pairs = near_pairs(looks).pairs.tolist()
    assert pairs == [[10, 300], [20, 301]]
    assert exact_pairs(looks.hashes).tolist() == [[30, 302]]


def test_planes_of_volumes_tell_copies() -> None:
    random = np.random.default_rng(1)
    volumes = np.kron(random.integers(0, 200, (120, 4, 4, 4)), np.ones((1, 6, 6, 6)))
    volumes = volumes.astype(np.int16)[:, None]
    volumes[100] = volumes[3] + random.integers(-2, 3, volumes[3].shape)
    looks = look(volumes, ranges(volumes).span)
    assert looks.bits.shape == (120, 3 * 64)
    assert near_pairs(looks).pairs.tolist() == [[3, 100]]


@pytest.mark.slow
def test_comparisons_grow_as_samples_do() -> None:
    compared = []
    for samples in (1000, 2000, 4000):
        random = np.random.default_rng(samples)
        cells = random.random((samples, 1, 7, 7)).astype(np.float32)
        images = (np.kron(cells, np.ones((8, 8), np.float32)) * 255).astype(np.uint8)
        images[1::10] = images[::10] // 2 + 20  # as many copies a sample at every size
        found = near_pairs(look(images, (0.0, 255.0)))
        assert len(found.pairs) == pytest.approx(samples // 10, abs=2)
        compared.append(found.compared / samples)
    assert compared[2] < 1.5 * compared[0] + 5
