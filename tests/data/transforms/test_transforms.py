"""Whole transforms against pipelines of torchvision's and MONAI's own, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.transforms import Compose, Flip, RandGaussianNoise, Rotate, ShiftIntensity, Zoom
from scipy.ndimage import zoom
from torchvision.transforms.v2 import functional as tv

from crossbench.data.inputs.image import Image
from crossbench.data.inputs.volume import Volume
from crossbench.data.transforms.batch import RandomSource, normalise, scale
from crossbench.data.transforms.image import ImageTransform, crop_images, draw_images
from crossbench.data.transforms.volume import draw_volumes
from crossbench.errors import DataError
from crossbench.registry.tasks import find_task
from crossbench.specs import InputSettings

examples = settings(deadline=None, max_examples=30)

CARD = find_task("nodule-malignancy-3d")  # of which the size that is fed is not stated
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TWO, THREE = {"dimension": 2}, {"dimension": 3}
SHAPES = {2: (24, 31), 3: (6, 9, 8)}
DTYPES = ["uint8", "int16", "int32", "float16", "float32", "float64"]
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]


def make_transforms(*, dimension: int, **settings):
    """The transforms of a kind, normalising by ImageNet's statistics."""
    kind, shape = {2: (Image(), (20, 20)), 3: (Volume(), SHAPES[3])}[dimension]
    given = InputSettings(scaling="global", **settings)
    return kind.transforms(shape, value_range=(0.0, 255.0), statistics="imagenet", settings=given)


def stored(dimension: int, channels: int = 1, batch: int = 5, dtype: str = "uint8"):
    random = np.random.default_rng(batch + channels)
    values = random.integers(0, 256, (batch, channels, *SHAPES[dimension]))
    return torch.from_numpy(values.astype(dtype))


def three_channels(raw: torch.Tensor) -> torch.Tensor:
    """Scaled and repeated first, as the authors do."""
    x = raw.cpu().float() / 255
    return x[:, [0, 1, 0]] if x.shape[1] == 2 else x.expand(-1, 3, *x.shape[2:])


def torchvision_train(image: torch.Tensor, drawn, i: int) -> torch.Tensor:
    box = [int(values[i]) for values in (drawn.top, drawn.left, drawn.height, drawn.width)]
    image = tv.resized_crop(image, *box, size=[20, 20], antialias=True)
    image = tv.horizontal_flip(image) if drawn.flip[i] else image
    adjust = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    for index in drawn.order[i].tolist():
        image = adjust[index](image, float(drawn.factors[index, i]))
    return tv.normalize(image, list(MEAN), list(STD))


def torchvision_evaluate(image: torch.Tensor) -> torch.Tensor:
    image = tv.center_crop(tv.resize(image, [23], antialias=True), [20, 20])
    return tv.normalize(image, list(MEAN), list(STD))


def monai_train(volume: torch.Tensor, drawn, i: int) -> torch.Tensor:
    steps = [Flip(spatial_axis=0)] if drawn.flip[i] else []
    if drawn.angle[i] != 0:
        angles = (float(drawn.angle[i]), 0.0, 0.0)
        steps.append(Rotate(angles, padding_mode="border", dtype=torch.float64))
    if drawn.zoom[i] != 1:
        steps.append(Zoom(float(drawn.zoom[i]), mode="area", padding_mode="edge"))
    volume = Compose(steps)(normalise(volume[None], MEAN, STD)[0])
    if drawn.noise_std[i] != 0:
        step = RandGaussianNoise(prob=1.0)
        step.randomize(volume)
        step.noise = drawn.noise[int((drawn.noise_std[:i] != 0).sum())].cpu().numpy()
        volume = step(volume, randomize=False)
    return torch.as_tensor(ShiftIntensity(float(drawn.offset[i]))(volume))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("jitter_order", ["batch", "sample"])
def test_2d_training_equals_torchvision_given_the_same_parameters(
    device, channels, seed, jitter_order
):
    raw = stored(2, channels).to(device)
    train, _ = make_transforms(**TWO | {"jitter_order": jitter_order})
    inputs = train(raw, RandomSource(seed, device)).cpu()
    source = RandomSource(seed, device)
    drawn = draw_images(source, raw.shape, (0.08, 1.0), jitter_order=jitter_order)
    for i, image in enumerate(three_channels(raw)):
        expected = torchvision_train(image, drawn, i)
        # 1e-5 of the scaled image, before the division by std.
        torch.testing.assert_close(inputs[i], expected, rtol=0, atol=1e-5 / min(STD))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_2d_training_without_jitter_crops_and_flips_alone(channels):
    raw = stored(2, channels)
    transform = ImageTransform(
        value_range=(0.0, 255.0),
        mean=MEAN,
        std=STD,
        size=20,
        crop_scale=(0.08, 1.0),
        augment=True,
        jitter=False,
    )
    drawn = draw_images(RandomSource(3, "cpu"), raw.shape, (0.08, 1.0))
    expected = normalise(crop_images(raw / 255, drawn, 20), MEAN, STD)
    torch.testing.assert_close(transform(raw, RandomSource(3, "cpu")), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_2d_evaluation_equals_torchvision(device, channels):
    raw = stored(2, channels).to(device)
    _, evaluate = make_transforms(**TWO)
    expected = torch.stack([torchvision_evaluate(image) for image in three_channels(raw)])
    torch.testing.assert_close(evaluate(raw).cpu(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_3d_training_equals_monai_given_the_same_parameters(device, channels, seed):
    raw = stored(3, channels, batch=8).to(device)
    train, _ = make_transforms(**THREE)
    inputs = train(raw, RandomSource(seed, device)).cpu()
    drawn = draw_volumes(RandomSource(seed, device), raw.shape)
    for i, volume in enumerate(three_channels(raw)):
        expected = monai_train(volume, drawn, i)
        torch.testing.assert_close(inputs[i], expected, rtol=0, atol=1e-5 / min(STD))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_3d_evaluation_only_scales_and_normalises(device, channels):
    raw = stored(3, channels).to(device)
    _, evaluate = make_transforms(**THREE)
    mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (MEAN, STD))
    expected = (three_channels(raw) - mean) / std
    torch.testing.assert_close(evaluate(raw).cpu(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [TWO, THREE], ids=["2D", "3D"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_stored_dtype_gives_the_same_inputs(options, dtype):
    train, evaluate = make_transforms(**options)
    raw = stored(options["dimension"])
    same = raw.to(getattr(torch, dtype))
    kept = same.clone()
    for ours, plain in (
        (train(same, RandomSource(0, "cpu")), train(raw, RandomSource(0, "cpu"))),
        (evaluate(same), evaluate(raw)),
    ):
        assert ours.dtype == torch.float32
        assert ours.is_contiguous()
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-5)
    assert torch.equal(same, kept)


@pytest.mark.parametrize("options", [TWO, THREE], ids=["2D", "3D"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_seed_fixes_every_batch(options, device):
    train, _ = make_transforms(**options)
    raw = stored(options["dimension"]).to(device)

    def epoch(seed: int) -> list[torch.Tensor]:
        random = RandomSource(seed, device)
        return [train(raw, random) for _ in range(3)]

    first, again, other = epoch(1), epoch(1), epoch(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("options", [TWO, THREE], ids=["2D", "3D"])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 4])
def test_samples_keep_their_places_and_shapes(options, channels, batch):
    train, evaluate = make_transforms(**options)
    raw = stored(options["dimension"], channels, batch)
    space = (20, 20) if options["dimension"] == 2 else SHAPES[3]
    assert train(raw, RandomSource(0, "cpu")).shape == (batch, 3, *space)
    inputs = evaluate(raw)
    assert inputs.shape == (batch, 3, *space)
    alone = torch.cat([evaluate(sample[None]) for sample in raw])
    torch.testing.assert_close(inputs, alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("options", [TWO, THREE], ids=["2D", "3D"])
def test_without_augmentation_training_is_evaluation(options):
    train, evaluate = make_transforms(**options | {"augment": False})
    assert train == evaluate
    raw = stored(options["dimension"])
    assert torch.equal(train(raw, RandomSource(0, "cpu")), evaluate(raw))


@pytest.mark.parametrize("options", [TWO, THREE], ids=["2D", "3D"])
def test_augmentation_needs_a_random_source(options):
    train, _ = make_transforms(**options)
    with pytest.raises(ValueError, match=r"random is None.*pass a RandomSource"):
        train(stored(options["dimension"]))


@pytest.mark.parametrize("options", [TWO, THREE], ids=["2D", "3D"])
@pytest.mark.parametrize("channels", [0, 4])
def test_other_channel_counts_are_refused(options, channels):
    raw = torch.zeros(2, channels, *SHAPES[options["dimension"]])
    for transform in make_transforms(**options):
        with pytest.raises(DataError, match=rf"1, 2 or 3 channels.*has {channels}$"):
            transform(raw, RandomSource(0, "cpu"))


@pytest.mark.parametrize(("options", "other"), [(TWO, 3), (THREE, 2)], ids=["2D", "3D"])
def test_another_rank_is_refused(options, other):
    _, evaluate = make_transforms(**options)
    with pytest.raises(DataError, match=rf"batch of a {options['dimension']}D task has shape \(B"):
        evaluate(stored(other))


@examples
@given(
    raw=hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=4, max_dims=5, max_side=4),
        elements=st.integers(0, 255),
    )
)
def test_each_sample_is_scaled_by_its_own_range(raw):
    x = scale(torch.from_numpy(raw), None)
    assert x.dtype == torch.float32
    for sample, scaled in zip(raw.astype(float), x, strict=True):
        low, high = sample.min(), sample.max()
        expected = (sample - low) / (high - low) if high > low else np.zeros_like(sample)
        np.testing.assert_allclose(scaled.numpy(), expected, atol=1e-6)


def test_a_range_is_scaled_without_clipping_and_an_empty_one_gives_zeros():
    raw = torch.tensor([[[[-10, 0, 5, 10, 30]]]], dtype=torch.int16)
    assert scale(raw, (0, 10)).flatten().tolist() == [-1, 0, 0.5, 1, 3]
    assert scale(raw, (5, 5)).flatten().tolist() == [0] * 5


def test_float64_keeps_small_differences_on_a_large_pedestal():
    raw = torch.tensor([1e9, 1e9 + 1, 1e9 + 2], dtype=torch.float64).view(1, 1, 1, 3)
    assert scale(raw, None).flatten().tolist() == [0, 0.5, 1]


# ------------------------------------------------------------------------------ a least size


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_a_small_volume_is_treated_as_one_that_was_stored_enlarged(channels, augment):
    """By scipy's linear zoom of the values in [0, 1], which the batch is scaled to beforehand."""
    settings = InputSettings(scaling="global", min_size=8)
    shape = Volume().fed_shape(CARD, SHAPES[3], settings)
    assert shape == (8, 9, 8)
    fed = {"statistics": "imagenet", "settings": settings}
    small, plain = Volume().transforms(shape, value_range=(0.0, 255.0), **fed)
    as_stored, plain_as_stored = Volume().transforms(shape, value_range=(0.0, 1.0), **fed)
    raw = stored(3, channels)
    values = raw.numpy() / 255
    enlarged = zoom(values, (1, 1, 8 / 6, 1, 1), order=1, mode="nearest", grid_mode=True)
    enlarged = torch.from_numpy(enlarged.astype(np.float32))
    transform, reference = (small, as_stored) if augment else (plain, plain_as_stored)
    found = transform(raw, RandomSource(3, "cpu"))
    assert found.shape == (5, 3, 8, 9, 8)
    torch.testing.assert_close(found, reference(enlarged, RandomSource(3, "cpu")))


def test_images_are_fed_at_the_least_size_and_enlarged_once():
    settings = InputSettings(scaling="global", max_size=64, min_size=48)
    assert Image().fed_shape(CARD, (24, 31), settings) == (48, 48)
    assert Image().fed_shape(CARD, (90, 70), settings) == (64, 64)
    _, plain = Image().transforms(
        (48, 48), value_range=(0.0, 255.0), statistics="imagenet", settings=settings
    )
    raw = stored(2, 3)
    wanted = tv.center_crop(tv.resize(raw.float() / 255, [55], antialias=True), [48, 48])
    torch.testing.assert_close(plain(raw), normalise(wanted, MEAN, STD))
