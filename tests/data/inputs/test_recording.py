"""Recordings: what is taken and refused, what networks are fed, and what of it is learnt."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossbench.data.inputs import find_kind, kind_of
from crossbench.errors import CardError, DataError
from crossbench.registry.presets import find_preset
from crossbench.registry.tasks import find_task

REGIONS, VOLUMES = 4, 30
CARD = find_task("phantom-both")
INPUT = {"atlas": "four", "tr": 2.0}
SETTINGS = find_preset("standard").input


def kind(**options):
    return find_kind("recording").configured({**INPUT, **options}, where="card")


def recordings(count=3):
    drawn = np.random.default_rng(0).standard_normal((count, REGIONS, VOLUMES))
    return drawn.astype(np.float32)


def fed(kind, images, settings=SETTINGS):
    shape = kind.fed_shape(CARD, images.shape[2:], settings)
    made = kind.transforms(shape, value_range=None, statistics="unit", settings=settings)[1](
        torch.from_numpy(images)
    )
    assert made.shape == (len(images), 1, *shape)
    return made[:, 0], kind.facts(shape)["views"]


def test_each_view_lies_where_the_facts_say():
    stored = recordings()
    lengths = np.array([VOLUMES, 20, VOLUMES])
    places = tuple((float(each), 0.0, 1.0) for each in range(REGIONS))
    chosen = kind(coordinates=places)
    images = chosen.canonical({"images": stored, "lengths": lengths}, where="file")
    made, views = fed(chosen, images)
    assert torch.equal(made[1, :, slice(*views["coordinates"])], torch.tensor(places))
    expected = np.arctanh(np.corrcoef(stored[1, :, :20]) - np.eye(REGIONS))
    np.testing.assert_allclose(made[1, :, slice(*views["connectivity"])], expected, atol=1e-5)
    series = made[1, :, slice(*views["timeseries"])]
    assert not series[:, 20:].any()
    low, middle, high = np.percentile(stored[1, :, :20], (25, 50, 75), axis=1, keepdims=True)
    np.testing.assert_allclose(
        series[:, :20], (stored[1, :, :20] - middle) / (high - low), atol=1e-5
    )


def test_views_that_a_card_leaves_out_take_no_columns():
    images = recordings()[:, None]
    alone, views = fed(kind(views=["timeseries"]), images)
    assert views == {"coordinates": (0, 3), "timeseries": (3, 3 + VOLUMES)}
    assert alone.shape[2] == 3 + VOLUMES
    _, views = fed(kind(views=["connectivity"]), images)
    assert views == {"coordinates": (0, 3), "connectivity": (3, 3 + REGIONS)}


def test_correlations_alone_are_fed_as_their_z():
    matrices = np.stack([np.corrcoef(each) for each in recordings()])
    chosen = find_kind("recording").configured(
        {"atlas": "four", "views": ["connectivity"]}, where="card"
    )
    made, views = fed(chosen, chosen.canonical({"images": matrices}, where="file"))
    z = np.arctanh(matrices - np.eye(REGIONS))
    np.testing.assert_allclose(made[:, :, slice(*views["connectivity"])], z, atol=1e-5)
    above = np.triu_indices(REGIONS, 1)
    edges = chosen.features(matrices[:, None], np.array([2, 0]))
    np.testing.assert_allclose(edges, z[[2, 0]][:, *above], atol=1e-6)


def test_the_training_part_alone_scales_regions():
    images = recordings(4)[:, None]
    train, settings = np.array([0, 1]), dataclasses.replace(SETTINGS, scaling="train")
    before, views = fed(kind().fitted(images, train, settings), images, settings)
    images[2:] *= 100
    after, _ = fed(kind().fitted(images, train, settings), images, settings)
    series = slice(*views["timeseries"])
    assert kind().learns(settings)
    assert not kind().learns(SETTINGS)
    assert torch.equal(before[:2, :, series], after[:2, :, series])
    assert after[2:, :, series].std() > 50 * before[2:, :, series].std()


def test_a_region_that_never_varies_is_noted_and_has_no_connectivity():
    images = recordings()[:, None]
    images[1, 0, 2] = 7.0
    (note,) = kind().doubts(images)
    assert note.startswith("1 recordings have a region that never varies: 1;")
    made, _ = fed(kind(), images)
    assert not made[1, 2].any()
    assert torch.isfinite(made).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tr": None}, r"\[input\]: key 'tr' is None; say the seconds between volumes"),
        ({"tr": -2.0}, "key 'tr' is -2.0; it must be seconds"),
        ({"views": []}, "key 'views' is .*; it must name connectivity, timeseries or both"),
        ({"atlas": " "}, "key 'atlas' is ' '; name the parcellation"),
        ({"window": 3}, "key 'window' is 3; 10 or more"),
        ({"altas": "x"}, "unknown key 'altas'.*atlas"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(CardError, match=message):
        kind(**options)


def test_images_and_volumes_have_no_options():
    card = dataclasses.replace(find_task("nodule-malignancy-3d"), input={"tr": 2.0})
    with pytest.raises(CardError, match="input kind 'volume' has no options, leave it out"):
        kind_of(card)


def with_value(value):
    stored = recordings()
    stored[1, 2, 5] = value
    return stored


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"images": recordings()[0]}, {}, r"recordings need \(N, regions, volumes\)"),
        ({"images": with_value(np.nan)}, {}, "recording 1 has values .* no numbers in region 2"),
        ({"images": recordings()}, {"window": 40}, "0 has 30 volumes, fewer than 40 .the card's"),
        ({"images": recordings()[:, :, :8]}, {}, "recording 0 has 8 volumes, fewer than 10"),
        ({"images": recordings(), "lengths": np.ones(2)}, {}, "lengths must be one whole number"),
        ({"images": recordings()}, {"coordinates": [[0, 0, 0]]}, "4 regions, but the card has 1"),
        (
            {"images": recordings()},
            {"tr": None, "views": ["connectivity"]},
            "no matrices of regions by regions, and the card gives no tr",
        ),
        (
            {"images": recordings()[:, :, :4]},
            {"tr": None, "views": ["connectivity"]},
            "matrix 0 is none of correlations",
        ),
    ],
)
def test_recordings_that_cannot_be_are_refused(arrays, options, message):
    with pytest.raises(DataError, match=message):
        kind(**options).canonical(arrays, where="file")


def test_pictures_show_correlations_and_courses():
    matrix, courses = kind().pictures(recordings()[:1])
    assert matrix.shape == (REGIONS, REGIONS, 3)
    assert courses.shape == (REGIONS, VOLUMES, 3)


def test_a_signal_in_one_view_is_read_off_that_view(tmp_path: Path):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    from crossbench.data.sources import open_task

    def accuracy(task, views):
        card = find_task(task)
        data = open_task(card, data="phantom", data_dir=tmp_path, cache_dir=tmp_path)
        seen = find_kind("recording").configured({**card.input, "views": views}, where="card")
        features = seen.features(data.images, np.arange(len(data)))
        scaled = (features - features.mean(0)) / features.std(0)
        return cross_val_score(LogisticRegression(C=1e-2), scaled, data.labels, cv=5).mean()

    assert accuracy("phantom-connectivity", ["connectivity"]) > 0.75
    assert accuracy("phantom-connectivity", ["timeseries"]) < 0.65
    assert accuracy("phantom-series", ["timeseries"]) > 0.75
    assert accuracy("phantom-series", ["connectivity"]) < 0.65
    assert accuracy("phantom-site", ["connectivity"]) > 0.75
    assert accuracy("phantom-none", ["connectivity"]) < 0.65
    assert accuracy("phantom-none", ["timeseries"]) < 0.65


def test_the_example_has_the_form_of_a_phantom():
    form, chosen = find_kind("recording").example(), kind_of(CARD)
    phantom = chosen.canonical(chosen.phantom(CARD), where="phantom")
    shape = chosen.fed_shape(CARD, phantom.shape[2:], SETTINGS)
    assert form.shape == shape
    assert form.facts["views"] == chosen.facts(shape)["views"]


# ------------------------------------------------------------------- two tasks for one network


@given(st.integers(10, 40), st.integers(10, 40))
def test_recordings_of_two_tasks_end_where_they_did(volumes, others):
    one, other = (np.ones((2, 1, REGIONS, length), np.float32) for length in (volumes, others))
    both = kind().joined(one, kind(), other, where="pair")
    assert both.shape == (4, 1, REGIONS, max(volumes, others))
    ends = (both != 0).all(axis=2)[:, 0].sum(axis=1)
    assert ends.tolist() == [volumes, volumes, others, others]


def test_what_is_no_matter_to_a_network_may_differ():
    images = recordings()[:, None]
    views = ["connectivity"]
    for own, other in (
        ({"views": views}, {"views": views, "tr": 2.5}),
        ({}, {"coordinates": ((0.0, 0.0, 0.0),) * REGIONS}),
        ({}, {"window": 20, "phantom": "none"}),
    ):
        assert len(kind(**own).joined(images, kind(**other), images, where="pair")) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"atlas": "five"}, "in input.atlas; 'four' and 'five' have other regions: parcellate bo"),
        ({"tr": 2.5}, r"in input.tr; 2.0 and 2.5 seconds between volumes: resample one, or feed"),
        ({"views": ["connectivity"]}, "in input.views; say the same on both cards"),
        ({"connectivity": "partial"}, "in input.connectivity; say the same on both cards"),
        ({"coordinates": ((1.0, 0.0, 0.0),) * REGIONS}, "in input.coordinates; regions lie else"),
    ],
)
def test_recordings_that_mean_something_else_are_refused(options, message):
    images = recordings()[:, None]
    own = kind(coordinates=((0.0, 0.0, 0.0),) * REGIONS)
    with pytest.raises(DataError, match=f"pair: the cards of the two tasks differ {message}"):
        own.joined(images, kind(**options), images, where="pair")


def test_recordings_of_other_regions_or_too_short_ones_are_refused():
    images = recordings()[:, None]
    with pytest.raises(DataError, match="pair: recordings to test have 4 regions, and those to f"):
        kind().joined(images, kind(), images[:, :, :3], where="pair")
    with pytest.raises(DataError, match="pair: of those to fit: recording 0 has 30 volumes, fewer"):
        kind(window=31).joined(images, kind(), images, where="pair")


def test_correlations_do_not_go_with_time_series():
    matrices = np.stack([np.corrcoef(each) for each in recordings()])[:, None]
    alone = find_kind("recording").configured(
        {"atlas": "four", "views": ["connectivity"]}, where="card"
    )
    assert len(alone.joined(matrices, alone, matrices, where="pair")) == 6
    with pytest.raises(DataError, match=r"input.tr; None and 2.0 seconds between volumes"):
        alone.joined(matrices, kind(views=["connectivity"]), recordings()[:, None], where="pair")
