"""Copies of samples: exact ones by content, near ones by perceptual hashes and correlation.

Two hashes that differ in at most r of their bits agree wholly in at least three of r + 3 bands. So
any three bands are a table in which near duplicates lie in one bucket, and only what shares a
bucket is compared. In a crowded bucket, hashes are compared with the next ones in their order
alone, so that the number of comparisons grows no faster than that of samples.

Candidates are confirmed by the correlation of their pixels, and by that of what is left of them
without the look that all samples have in common: fundus photographs all correlate.

Source:
    Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index hashing",
    CVPR 2012, with several bands a table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from crossbench.data.verify.looks import Looks

#: Bits of 64 in which the hashes of near duplicates may differ.
RADIUS = 8

#: Least correlation of the pixels of near duplicates, and of their pixels without the common look.
CORRELATION, OWN_CORRELATION = 0.9, 0.8

#: Entries of a bucket that each one is compared with.
REACH = 128

_ONES = np.array([byte.bit_count() for byte in range(256)], np.uint8)
_PAIRS_AT_ONCE = 1 << 12
_HASH_BITS = 64
_TABLES = 200
_MOST = 1 << 21  # comparisons a table
_COMPONENTS, _SAMPLES_A_COMPONENT = 16, 50
_DRAWN = 2000  # samples that show the common look


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Pairs whose hashes are near each other.

    Attributes:
        pairs: (M, 2) indices, the lesser first, ascending.
        compared: Number of comparisons that it took.
        crowded: Number of samples that share a bucket with more others than they were compared
            with.
    """

    pairs: NDArray[np.int64]
    compared: int
    crowded: int


def near_hashes(bits: NDArray[np.bool_], radius: int, *, reach: int = REACH) -> Candidates:
    """Pairs of hashes that differ in at most ``radius`` bits.

    All of them are found where no bucket holds more than ``reach`` + 1; identical hashes are
    always linked, at least in a chain.

    Args:
        bits: (N, B) hashes.
        radius: Bits that may differ.
        reach: Entries of a bucket that each one is compared with.
    """
    samples = len(bits)
    if samples < 2:
        return Candidates(pairs=np.empty((0, 2), np.int64), compared=0, crowded=0)
    first = np.lexsort(np.packbits(bits, axis=1).T[::-1])  # equal hashes side by side
    bits, packed = bits[first], np.packbits(bits[first], axis=1)
    found, compared, crowded = [np.empty(0, np.int64)], 0, np.zeros(samples, bool)
    for key in _keys(bits, radius):
        order = np.argsort(key, kind="stable")
        bucket = np.concatenate([[0], np.cumsum(np.diff(key[order]) != 0)])
        sizes = np.bincount(bucket)[bucket]
        crowded[order[sizes > reach + 1]] = True
        for step in range(1, min(reach, samples - 1) + 1):
            place = np.flatnonzero(bucket[step:] == bucket[:-step])
            if not len(place):
                break
            left, right = order[place], order[place + step]
            compared += len(place)
            apart = _ONES[packed[left] ^ packed[right]].sum(axis=1, dtype=np.int64)
            left, right = first[left[apart <= radius]], first[right[apart <= radius]]
            found.append(np.minimum(left, right) * samples + np.maximum(left, right))
        found = [np.unique(np.concatenate(found))]  # the same pairs come from many tables
    codes = found[0]
    pairs = np.column_stack(np.divmod(codes, max(1, samples)))
    return Candidates(pairs=pairs, compared=compared, crowded=int(crowded.sum()))


def _keys(bits: NDArray[np.bool_], radius: int) -> Iterator[NDArray[np.int64]]:
    """(N,) numbers of the bands of each table: three of r + 3, or two where there are too many."""
    together = 3 if comb(radius + 3, 3) <= _TABLES else 2
    bands = np.array_split(np.arange(bits.shape[1]), min(radius + together, bits.shape[1]))
    for chosen in combinations(bands, together):
        yield _as_number(bits[:, np.concatenate(chosen)])


def exact_pairs(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(M, 2) indices: each sample with a content hash that came before, with the first of it.

    Args:
        hashes: (N,) content hashes; 0 is no content.
    """
    _, first, place = np.unique(hashes, return_index=True, return_inverse=True)
    later = np.flatnonzero((first[place] != np.arange(len(hashes))) & (hashes != 0))
    return np.column_stack([first[place][later], later])


def near_pairs(looks: Looks) -> Candidates:
    """Pairs of samples that are near duplicates of each other.

    Those that are exactly equal are left out, as are samples too plain to be recognised.

    Args:
        looks: What the samples look like.
    """
    shown = np.flatnonzero((looks.hashes != 0) & ~looks.plain)
    kept = np.setdiff1d(shown, exact_pairs(looks.hashes)[:, 1])
    radius = RADIUS * looks.bits.shape[1] // _HASH_BITS
    found = near_hashes(looks.bits[kept], radius, reach=min(REACH, 1 + _MOST // (1 + len(kept))))
    pairs = kept[found.pairs]
    pairs = pairs[_confirmed(looks.thumbnails, pairs)] if len(pairs) else pairs
    return replace(found, pairs=pairs)


def _confirmed(thumbnails: NDArray[np.uint8], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(M,) whether the pixels of candidates correlate, with and without what all have in common."""
    mean, common = _common_look(thumbnails)
    result = np.empty(len(pairs), bool)
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        part = pairs[start : start + _PAIRS_AT_ONCE]
        one, other = (_standardised(thumbnails[part[:, side]]) for side in range(2))
        alike = np.einsum("ij,ij->i", one, other) >= CORRELATION
        one, other = (_without(rows - mean, common) for rows in (one, other))
        own = np.einsum("ij,ij->i", one, other) >= OWN_CORRELATION
        result[start : start + len(part)] = alike & own
    return result


def _common_look(
    thumbnails: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(F,) mean and (K, F) principal components of standardised samples, of some if they are many.

    One component to so many samples and pixels that what is their own is kept.
    """
    from sklearn.utils.extmath import randomized_svd

    chosen = np.linspace(0, len(thumbnails) - 1, min(len(thumbnails), _DRAWN)).astype(np.int64)
    rows = _standardised(thumbnails[chosen])
    mean = rows.mean(axis=0)
    count = min(_COMPONENTS, min(rows.shape) // _SAMPLES_A_COMPONENT)
    if not count:
        return mean, np.zeros((0, rows.shape[1]), np.float32)
    return mean, randomized_svd(rows - mean, count, random_state=0)[2].astype(np.float32)


def _without(rows: NDArray[np.float32], common: NDArray[np.float32]) -> NDArray[np.float32]:
    return _standardised(rows - (rows @ common.T) @ common)


def _standardised(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of mean 0 and length 1, but for constant ones, which become 0."""
    values = rows.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    values /= np.where(length > 0, length, 1)
    return values


def _as_number(bits: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) numbers of up to 62 bits."""
    weights = 1 << np.arange(bits.shape[1], dtype=np.int64)
    return bits @ weights
