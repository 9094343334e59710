"""Tasks whose file ships beside the card, made small here, and then the shipped ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs

from crossbench.data.embedded import read_embedded
from crossbench.data.sources import open_task
from crossbench.errors import CardError, DataError, MissingDataError
from crossbench.registry.tasks import find_task, load_card
from crossbench.specs import NpzSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs import TaskCard

CARD = """
name = "stars"
title = "Stars"
dimension = {dimension}
modality = "Drawing"
classes = ["dim (< 3)", "bright (> 3)"]
licence = "CC0-1.0"
citation = "Drawn for the tests"
metric = "accuracy"
version = 1

[source]
kind = "embedded"
file = "sky/stars.npz"
images = "volumes"
label = "brightness"
threshold = 3
{extra}
"""
BRIGHTNESS = np.array([1, 3, 5, 2.5, 3.5, 3], dtype=np.float32)
OFF_THRESHOLD = [0, 2, 3, 4]


def arrays() -> dict[str, NDArray[Any]]:
    """Six volumes (N, D, H, W), the fullest slice of sample i at depth i."""
    volumes = np.random.default_rng(0).integers(0, 100, (6, 7, 5, 8)).astype(np.uint8)
    for index, volume in enumerate(volumes):
        volume[index] += 100
    return {
        "volumes": volumes,
        "brightness": BRIGHTNESS,
        "groups": np.array([7, 7, 9, 7, 2, 2], dtype=np.int16),
        "size_mm": np.array([6, 5, 7, 4, 9, 8], dtype=np.float32),
    }


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., TaskCard]:
    """Write a card and its file, with arrays replaced or, given None, left out."""

    def _make(dimension: int = 3, *, extra: str = "", **changes: Any) -> TaskCard:
        card = tmp_path / "stars.toml"
        card.write_text(CARD.format(dimension=dimension, extra=extra), encoding="utf-8")
        (tmp_path / "sky").mkdir(exist_ok=True)
        stored = {key: value for key, value in (arrays() | changes).items() if value is not None}
        np.savez_compressed(tmp_path / "sky/stars.npz", **stored)
        return load_card(card)

    return _make


# -------------------------------------------------------------------------- what is read


def test_ratings_at_the_threshold_are_left_out(make: Callable[..., TaskCard]) -> None:
    card = make()
    data = read_embedded(card)
    assert data.labels.dtype == np.int64
    assert data.labels.tolist() == [0, 1, 0, 1]
    assert data.images.dtype == np.uint8
    np.testing.assert_array_equal(data.images[:, 0], arrays()["volumes"][OFF_THRESHOLD])
    assert data.groups is not None
    assert data.groups.tolist() == [1, 2, 1, 0]
    assert data.covariate is None
    assert data.official is None
    assert (data.source, data.num_classes) == ("embedded", 2)
    assert card.path is not None
    assert data.file == card.path.parent / "sky/stars.npz"


def test_a_2d_card_over_volumes_takes_the_largest_slice(make: Callable[..., TaskCard]) -> None:
    volumes, images = read_embedded(make(3)), read_embedded(make(2))
    assert images.images.shape == (4, 1, 5, 8)
    assert images.images.dtype == np.uint8
    expected = arrays()["volumes"][OFF_THRESHOLD, OFF_THRESHOLD]
    np.testing.assert_array_equal(images.images[:, 0], expected)
    assert images.labels.tolist() == volumes.labels.tolist()
    assert images.groups is not None
    assert volumes.groups is not None
    assert images.groups.tolist() == volumes.groups.tolist()


def test_inverted_intensities_are_dark_where_the_others_are_bright(
    make: Callable[..., TaskCard],
) -> None:
    as_stored, inverted = read_embedded(make()), read_embedded(make(extra="invert = true"))
    assert inverted.images.dtype == np.uint8
    np.testing.assert_array_equal(inverted.images, 255 - as_stored.images)
    assert inverted.labels.tolist() == as_stored.labels.tolist()


def test_permuted_labels_are_the_same_in_number(make: Callable[..., TaskCard]) -> None:
    many = {"volumes": np.zeros((40, 2, 2, 2), np.uint8), "groups": None, "size_mm": None}
    many["brightness"] = np.repeat([1.0, 5.0], 20)
    as_stored = read_embedded(make(**many)).labels
    strata = read_embedded(make(extra="permute = 0", **many)).strata
    assert strata is not None
    assert strata.tolist() == as_stored.tolist()
    dealt = [read_embedded(make(extra=f"permute = {seed}", **many)).labels for seed in (0, 0, 1)]
    assert dealt[0].sum() == as_stored.sum()
    assert dealt[0].tolist() == dealt[1].tolist()
    assert dealt[0].tolist() != dealt[2].tolist()
    assert abs(dealt[0][:20].sum() - 10) < 6


def test_the_slice_of_a_volume_with_channels_keeps_them(make: Callable[..., TaskCard]) -> None:
    stacked = np.stack([np.zeros_like(arrays()["volumes"]), arrays()["volumes"]], axis=1)
    images = read_embedded(make(2, volumes=stacked)).images
    np.testing.assert_array_equal(
        images, np.stack([stacked[index, :, index] for index in OFF_THRESHOLD])
    )


def test_of_equal_slices_the_first_is_taken(make: Callable[..., TaskCard]) -> None:
    volumes = np.zeros((6, 2, 1, 4), np.uint8)
    volumes[:, 0, 0, 0] = volumes[:, 1, 0, 1] = 9
    assert read_embedded(make(2, volumes=volumes)).images[0, 0].tolist() == [[9, 0, 0, 0]]


def test_a_2d_card_over_images_takes_them_as_they_are(make: Callable[..., TaskCard]) -> None:
    images = arrays()["volumes"][:, 0]
    read = read_embedded(make(2, volumes=images)).images
    np.testing.assert_array_equal(read[:, 0], images[OFF_THRESHOLD])


def test_bounds_and_covariate(make: Callable[..., TaskCard]) -> None:
    data = read_embedded(make(extra='minimum = { size_mm = 6 }\ncovariate = "size_mm"'))
    assert data.labels.tolist() == [0, 1, 1]
    assert data.covariate is not None
    assert data.covariate.dtype == np.float64
    assert data.covariate.tolist() == [6, 7, 9]


def test_a_file_without_groups_has_none(make: Callable[..., TaskCard]) -> None:
    assert read_embedded(make(groups=None)).groups is None


def test_the_hash_is_that_of_what_is_read(make: Callable[..., TaskCard]) -> None:
    first = read_embedded(make()).content_hash
    assert read_embedded(make(size_mm=np.arange(6.0))).content_hash == first
    moved = np.where(BRIGHTNESS == 1, 2, BRIGHTNESS)
    assert read_embedded(make(brightness=moved)).content_hash == first
    covariate = 'covariate = "size_mm"'
    with_covariate = {
        read_embedded(make(extra=covariate, size_mm=np.arange(6.0) + step)).content_hash
        for step in (1, 2)
    }
    swapped = read_embedded(make(brightness=6 - BRIGHTNESS)).content_hash
    assert len({first, swapped, *with_covariate}) == 4


# ---------------------------------------------------------------------------- what is not


def test_a_file_that_is_not_there(make: Callable[..., TaskCard]) -> None:
    card = make()
    assert card.path is not None
    (card.path.parent / "sky/stars.npz").unlink()
    with pytest.raises(MissingDataError, match=r"'stars': no file .*stars\.npz\. It ships beside"):
        read_embedded(card)
    told = dataclasses.replace(card, source=structs.replace(card.source, remedy="Look up."))
    with pytest.raises(MissingDataError, match=r"stars\.npz\. Look up\."):
        read_embedded(told)


def test_a_card_of_another_kind_of_source(make: Callable[..., TaskCard]) -> None:
    other = dataclasses.replace(make(), source=NpzSource(file="stars.npz"))
    with pytest.raises(CardError, match=r"'stars': its source\.kind is 'npz'; this reads 'emb"):
        read_embedded(other)


def test_a_truncated_file(make: Callable[..., TaskCard]) -> None:
    card = make()
    assert card.path is not None
    file = card.path.parent / "sky/stars.npz"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"stars\.npz: truncated, damaged or not an npz file"):
        read_embedded(card)


SIZED = 'covariate = "size_mm"'
BOUNDED = "minimum = { size_mm = 6 }"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"volumes": None}, "no array 'volumes'; the file has brightness, groups, size_mm"),
        ({"brightness": None}, "no array 'brightness'; the file has groups, size_mm, volumes"),
        ({"size_mm": None, "extra": SIZED}, "no array 'size_mm'"),
        ({"size_mm": None, "extra": BOUNDED}, "no array 'size_mm'"),
        ({"brightness": np.zeros(5)}, r"array 'brightness' is float64 of shape \(5,\); 6 samples"),
        ({"brightness": np.array(list("abcdef"))}, "array 'brightness' is <U1 of shape"),
        ({"brightness": np.array([1, None] * 3)}, "array 'brightness' holds Python objects"),
        ({"brightness": np.array([1, 5, 2, np.nan, 4, 1])}, "'brightness' is nan for sample 3"),
        ({"size_mm": np.full(6, np.inf), "extra": SIZED}, "'size_mm' is inf for sample 0"),
        ({"brightness": np.full(6, 3.0)}, "the threshold and bounds of task 'stars' leave no"),
        ({"size_mm": np.zeros(6), "extra": BOUNDED}, "the threshold and bounds of task 'stars'"),
        ({"groups": np.zeros(5, int)}, r"groups are int64 of shape \(5,\)"),
        ({"volumes": np.zeros((6, 4))}, r"images have shape \(6, 4\)"),
        ({"volumes": np.full((6, 4, 4, 4), np.nan)}, "sample 0 has NaN or infinite voxels"),
    ],
)
def test_an_array_that_does_not_fit(
    changes: dict[str, Any], message: str, make: Callable[..., TaskCard]
) -> None:
    for dimension in (2, 3):
        with pytest.raises(DataError, match=rf"stars\.npz: .*{message}"):
            read_embedded(make(dimension, **changes))


# -------------------------------------------------------------------------- what is shipped


@pytest.mark.parametrize(
    ("name", "counts", "patients"),
    [("nodule-malignancy", [1365, 647], 798), ("nodule-sphericity", [732, 453], 641)],
)
def test_the_nodule_tasks(name: str, counts: list[int], patients: int, tmp_path: Path) -> None:
    flat, solid = (
        open_task(find_task(f"{name}-{axes}d"), data="real", data_dir=tmp_path, cache_dir=tmp_path)
        for axes in (2, 3)
    )
    assert flat.images.shape == (sum(counts), 1, 32, 32)
    assert solid.images.shape == (sum(counts), 1, 32, 32, 32)
    for data in (flat, solid):
        assert data.images.dtype == np.uint8
        assert data.source == "embedded"
        assert np.bincount(data.labels).tolist() == counts
        assert data.groups is not None
        assert len(np.unique(data.groups)) == patients
        assert data.covariate is not None
        assert (data.covariate > 0).all()
    np.testing.assert_array_equal(flat.labels, solid.labels)
    np.testing.assert_array_equal(flat.groups, solid.groups)
    np.testing.assert_array_equal(flat.covariate, solid.covariate)
    voxels = solid.images[:, 0].reshape(len(solid), 32, -1)
    np.testing.assert_array_equal(
        flat.images[:, 0].reshape(len(flat), -1).sum(axis=1), voxels.sum(axis=2).max(axis=1)
    )
    assert flat.content_hash != solid.content_hash


@pytest.mark.parametrize("name", ["nodule-malignancy", "nodule-sphericity"])
def test_the_cards_of_both_dimensions_say_the_same(name: str) -> None:
    flat, solid = find_task(f"{name}-2d"), find_task(f"{name}-3d")
    assert flat.source == solid.source
    assert (flat.dimension, solid.dimension) == (2, 3)
    assert (flat.input_size, solid.input_size) == (32, None)
    for card in (flat, solid):
        assert card.group == "patient"
        assert card.licence == "CC-BY-3.0"
        assert "10.1118/1.3528204" in card.citation
        assert card.class_counts is not None
        assert card.samples == {"file": sum(card.class_counts)}
        data = read_embedded(card)
        assert np.bincount(data.labels).tolist() == list(card.class_counts)
        assert data.images.shape[2:] == card.shape
        assert (data.images.min(), data.images.max()) == card.intensity
