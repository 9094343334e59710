from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.data.canonical import canonical_groups, canonical_images, canonical_labels
from crossbench.data.inputs.image import Image
from crossbench.data.inputs.volume import Volume
from crossbench.errors import DataError

WHERE = "folder/a.npz"
KINDS = {2: Image(), 3: Volume()}


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


@pytest.mark.parametrize(
    ("dimension", "shape", "expected"),
    [
        (2, (4, 6, 5), lambda x: x[:, None]),
        (2, (4, 6, 5, 1), lambda x: x.transpose(0, 3, 1, 2)),
        (2, (4, 6, 5, 3), lambda x: x.transpose(0, 3, 1, 2)),
        (2, (4, 1, 6, 5), lambda x: x),
        (2, (4, 3, 6, 5), lambda x: x),
        (3, (4, 5, 7, 6), lambda x: x[:, None]),
        (3, (4, 6, 7, 6), lambda x: x[:, None]),
        (3, (4, 6, 7, 5), lambda x: x[:, None]),
        (3, (4, 1, 5, 7, 6), lambda x: x),
        (3, (4, 2, 5, 7, 6), lambda x: x),
        (3, (4, 3, 6, 7, 5), lambda x: x),
        (3, (4, 5, 7, 6, 1), lambda x: x.transpose(0, 4, 1, 2, 3)),
        (3, (4, 5, 7, 6, 2), lambda x: x.transpose(0, 4, 1, 2, 3)),
        (3, (4, 5, 7, 6, 3), lambda x: x.transpose(0, 4, 1, 2, 3)),
    ],
)
def test_every_stored_layout_becomes_the_one_view(
    dimension: Any, shape: tuple[int, ...], expected: Any
) -> None:
    stored = numbered(shape)
    images = canonical_images(KINDS[dimension], stored, where=WHERE)
    assert np.shares_memory(images, stored)
    np.testing.assert_array_equal(images, expected(stored))
    assert images.shape == expected(stored).shape


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "u2", "i8", "f2", "f4", "f8"])
def test_the_dtype_is_kept(dtype: str) -> None:
    stored = np.zeros((2, 4, 4), dtype)
    assert canonical_images(KINDS[2], stored, where=WHERE).dtype == stored.dtype


@pytest.mark.parametrize(
    ("dimension", "images", "message"),
    [
        (2, np.zeros((2, 4, 4), complex), "images are complex128; they must be real numbers"),
        (2, np.zeros((2, 4, 4), np.longdouble), "they must be real numbers of at most 64 bits"),
        (2, np.zeros((2, 4, 4), "U3"), "images are <U3; they must be real numbers"),
        (2, np.zeros((2, 4)), r"shape \(2, 4\); a 2D task needs \(N, H, W\)"),
        (2, np.zeros(()), r"shape \(\); a 2D task needs \(N, H, W\)"),
        (2, np.zeros((2, 3, 4, 4, 4)), "a 2D task needs"),
        (3, np.zeros((2, 4, 4)), r"a 3D task needs \(N, D, H, W\)"),
        (2, np.zeros((2, 2, 4, 4)), "the second or the last axis must hold 1 or 3 channels"),
        (3, np.zeros((2, 4, 4, 4, 4)), "must hold 1 or 2 or 3 channels"),
        (2, np.zeros((1, 4, 4)), "at least 2 samples are needed"),
        (2, np.zeros((0, 4, 4)), "at least 2 samples are needed"),
        (2, np.zeros((5, 0, 4)), r"shape \(5, 0, 4\); at least 2 samples"),
    ],
)
def test_refuses_images(dimension: Any, images: np.ndarray, message: str) -> None:
    with pytest.raises(
        DataError, match=rf"^folder/a\.npz: images .*{message}|^folder/a.npz: {message}"
    ):
        canonical_images(KINDS[dimension], images, where=WHERE)


@pytest.mark.parametrize(
    "stored",
    [
        np.array([2, 0, 1]),
        np.array([[2], [0], [1]], dtype=np.uint8),
        np.array([2.0, 0.0, 1.0], dtype=np.float32),
    ],
)
def test_labels_become_int64(stored: np.ndarray) -> None:
    labels = canonical_labels(stored, samples=3, num_classes=3, where=WHERE)
    assert labels.dtype == np.int64
    assert labels.tolist() == [2, 0, 1]


def test_labels_may_be_truth_values() -> None:
    labels = canonical_labels(np.array([True, False]), samples=2, num_classes=2, where=WHERE)
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 3], r"the label of sample 2 is 3, not in 0\.\.2, the card's classes"),
        ([0, -1, 1], "the label of sample 1 is -1, not in"),
        ([0.5, 1.0, 2.0], "the label of sample 0 is 0.5, not a whole number"),
        ([0.0, np.nan, 2.0], "the label of sample 1 is nan, not a whole number"),
        ([0.0, 1.0, np.inf], "the label of sample 2 is inf, not in"),
        ([0, 1], r"labels have shape \(2,\); 3 images need \(3,\)"),
        ([[0, 1], [1, 0], [0, 0]], r"labels have shape \(3, 2\)"),
        (["0", "1", "2"], "labels are <U1; they must be whole numbers"),
        (
            np.array([0, 1, 2**63], dtype=np.uint64),
            "the label of sample 2 is 9223372036854775808, not in",
        ),
    ],
)
def test_refuses_labels(labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=rf"^folder/a\.npz: {message}"):
        canonical_labels(np.asarray(labels), samples=3, num_classes=3, where=WHERE)


@pytest.mark.parametrize(
    "stored",
    [
        np.array([70, 3, 70]),
        np.array([[70], [3], [70]]),
        np.array(["b", "a", "b"]),
        np.array([b"b", b"a", b"b"]),
    ],
)
def test_groups_become_codes(stored: np.ndarray) -> None:
    groups, notes = canonical_groups(stored, samples=3, where=WHERE)
    assert groups.dtype == np.int64
    assert groups.tolist() == [1, 0, 1]
    assert notes == ()


@pytest.mark.parametrize("groups", [[1, 2], [1.0, 2.0, 3.0], [[1, 2], [1, 2], [3, 4]]])
def test_refuses_groups(groups: Any) -> None:
    message = r"a\.npz: groups are .*; 3 images need \(3,\) whole numbers or strings"
    with pytest.raises(DataError, match=message):
        canonical_groups(np.asarray(groups), samples=3, where=WHERE)


def test_identifiers_that_differ_in_space_or_case_are_one_and_are_named() -> None:
    stored = np.array(["P01", "P02", "p01 ", "P02", " P 01", "\uff3001", "P  01", "P03"])
    groups, notes = canonical_groups(stored, samples=8, where=WHERE)
    assert groups.tolist() == [1, 2, 1, 2, 0, 1, 0, 3]
    (note,) = notes
    differ = "differ in white space, case or form alone and are taken as one (2 such identifiers)"
    assert note == f"groups ' P 01' and 'P  01' {differ}"


def test_empty_identifiers_are_named() -> None:
    _, notes = canonical_groups(np.array([b"", b"a", b" "]), samples=3, where=WHERE)
    assert notes[-1] == "some samples have an empty group identifier and are taken as one group"


@given(
    st.lists(st.text("aAbB \t", max_size=4), min_size=1, max_size=12),
    st.sampled_from([str.upper, str.lower, " {} ".format, "{}\t".format]),
)
def test_spelling_never_parts_a_group(names: list[str], respell: Any) -> None:
    """Respelling any sample's identifier leaves all codes as they are."""
    codes, _ = canonical_groups(np.array(names), samples=len(names), where=WHERE)
    for sample in range(len(names)):
        other = [respell(name) if i == sample else name for i, name in enumerate(names)]
        again, _ = canonical_groups(np.array(other), samples=len(names), where=WHERE)
        assert again.tolist() == codes.tolist()


# ----------------------------------------------------------------------------- the axes


@pytest.mark.parametrize("channels", [(), (2,)])
def test_axes_are_turned_as_the_card_says_and_never_guessed(channels: tuple[int, ...]) -> None:
    stored = numbered((4, *channels, 6, 7, 5))
    as_is = canonical_images(KINDS[3], stored, where=WHERE)
    turned = canonical_images(KINDS[3], stored, where=WHERE, axes="WHD")
    assert as_is.shape[2:] == (6, 7, 5)
    assert turned.shape[2:] == (5, 7, 6)
    np.testing.assert_array_equal(turned, as_is.transpose(0, 1, 4, 3, 2))
    assert np.shares_memory(turned, stored)


@given(st.permutations("DHW"))
def test_every_order_of_axes_is_undone(order: list[str]) -> None:
    volumes = numbered((2, 3, 4, 5))
    stored = volumes.transpose(0, *(1 + "DHW".index(letter) for letter in order))
    turned = canonical_images(KINDS[3], stored, where=WHERE, axes="".join(order))
    np.testing.assert_array_equal(turned[:, 0], volumes)


def test_axes_of_another_dimension_are_refused() -> None:
    with pytest.raises(DataError, match=r"a\.npz: axes = 'WHD' does not fit .*letters of 'HW'"):
        canonical_images(KINDS[2], numbered((4, 6, 5)), where=WHERE, axes="WHD")
