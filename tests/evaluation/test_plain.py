"""The plain baselines: what they predict, and what they refuse."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from crossbench.data.inputs.pixels import pixel_features
from crossbench.errors import DataError, RequestError, SplitError
from crossbench.evaluation.metrics import evaluate_log
from crossbench.evaluation.plain import PLAIN_BASELINES, applicable_plain, predict_plain


def squares(num_classes=3, samples=60, shape=(1, 16, 16), dtype=np.uint8, seed=0):
    """Noise with a bright block whose place along the last axis is the class."""
    random = np.random.default_rng(seed)
    labels = np.arange(samples) % num_classes
    images = random.integers(0, 60, (samples, *shape)).astype(dtype)
    width = shape[-1] // num_classes
    for image, label in zip(images, labels, strict=True):
        image[..., label * width : (label + 1) * width] += 40
    return images, labels


def predict(name, images, labels, *, num_classes=3, covariate=None, train=None, test=None):
    half = len(labels) // 2
    return predict_plain(
        name,
        features=lambda index: pixel_features(images, index, 32 if images.ndim == 4 else 16),
        labels=labels,
        covariate=covariate,
        num_classes=num_classes,
        train=np.arange(half) if train is None else train,
        test=np.arange(half, len(labels)) if test is None else test,
    )


def test_only_tasks_with_a_covariate_have_the_covariate_baseline():
    assert applicable_plain(has_covariate=True) == tuple(PLAIN_BASELINES)
    assert applicable_plain(has_covariate=False) == ("majority", "logistic")


def test_majority_predicts_the_training_parts_priors():
    images, labels = np.zeros((6, 1, 2, 2)), np.array([2, 2, 2, 0, 1, 1])
    found = predict("majority", images, labels, train=np.arange(4), test=np.array([4, 5]))
    np.testing.assert_array_equal(found, [[np.log(0.25), -np.inf, np.log(0.75)]] * 2)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 8, 70), (1, 8, 12, 9), (2, 20, 4, 24)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float64])
def test_logistic_learns_from_images_and_volumes_of_any_real_dtype(shape, dtype):
    images, labels = squares(shape=shape, dtype=dtype)
    scores = evaluate_log(labels[30:], predict("logistic", images, labels))
    assert scores.metrics["accuracy"] > 0.9


@pytest.mark.parametrize("name", PLAIN_BASELINES)
def test_predictions_are_log_probabilities_of_zero_for_untrained_classes_and_repeatable(name):
    images, labels = squares()
    covariate = 1.0 + labels
    train = np.flatnonzero(labels[:30] != 1)
    once, again = (
        predict(name, images, labels, num_classes=5, covariate=covariate, train=train)
        for _ in range(2)
    )
    assert once.shape == (30, 5)
    assert once.dtype == np.float64
    np.testing.assert_allclose(np.exp(once).sum(axis=1), 1, atol=1e-12)
    assert (once[:, [1, 3, 4]] == -np.inf).all()
    assert np.isfinite(once[:, [0, 2]]).all()
    np.testing.assert_array_equal(once, again)


def test_covariate_learns_a_threshold_on_the_logarithm():
    covariate = np.exp(np.random.default_rng(0).normal(2, 0.6, 200))
    labels = (covariate > np.exp(2)).astype(np.int64)
    images = np.zeros((200, 1, 2, 2))
    found = predict("covariate", images, labels, num_classes=2, covariate=covariate)
    assert evaluate_log(labels[100:], found).metrics["accuracy"] > 0.95
    # Of all scales only a logarithm makes a quantity and its inverse the same information.
    inverse = predict("covariate", images, labels, num_classes=2, covariate=10 / covariate)
    np.testing.assert_allclose(inverse, found, atol=1e-6)


def test_logistic_does_not_see_the_test_labels_or_the_validation_part():
    images, labels = squares()
    train, test = np.arange(20), np.arange(40, 60)
    before = predict("logistic", images, labels, train=train, test=test)
    images[20:40], labels[20:] = 0, 0
    np.testing.assert_array_equal(
        predict("logistic", images, labels, train=train, test=test), before
    )


def test_logistic_ignores_each_samples_own_brightness_and_contrast():
    images, labels = squares(dtype=np.float32)
    random = np.random.default_rng(1)
    gain, offset = random.uniform(0.5, 2, (2, len(labels), 1, 1, 1))
    np.testing.assert_allclose(
        predict("logistic", images * gain + offset, labels),
        predict("logistic", images, labels),
        atol=1e-3,
    )


def test_a_pixel_that_hardly_varies_in_training_does_not_decide_a_test_sample():
    images, labels = squares()
    images[:, 0, 0, 0] = images.min(axis=(1, 2, 3))
    images[0, 0, 0, 0] += 1
    before = predict("logistic", images, labels)
    images[30:, 0, 0, 0] = images[30:].max(axis=(1, 2, 3))
    after = predict("logistic", images, labels)
    np.testing.assert_allclose(np.exp(after), np.exp(before), atol=0.02)


def test_a_memory_map_gives_what_its_array_gives(tmp_path):
    images, labels = squares(shape=(3, 40, 40))
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        predict("logistic", mapped, labels), predict("logistic", images, labels)
    )


def test_an_unknown_baseline_is_refused_with_the_nearest_name():
    images, labels = squares()
    with pytest.raises(RequestError, match=r"unknown plain baseline 'majorty'.*mean majority"):
        predict("majorty", images, labels)


def test_a_task_without_covariate_is_refused():
    images, labels = squares()
    with pytest.raises(RequestError, match="needs a task with a covariate; this one has none"):
        predict("covariate", images, labels)


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0"), (-2.5, "-2.5"), (np.nan, "nan")])
def test_a_covariate_without_a_logarithm_is_refused(value, shown):
    images, labels = squares()
    covariate = np.ones(len(labels))
    covariate[7] = value
    with pytest.raises(DataError, match=f"covariate of sample 7 is {shown}; .* positive finite"):
        predict("covariate", images, labels, covariate=covariate)


@pytest.mark.parametrize("name", ["logistic", "covariate"])
def test_training_on_one_class_is_refused(name):
    images, labels = squares()
    train = np.flatnonzero(labels == 2)
    with pytest.raises(SplitError, match=r"part holds class 2 alone; .* fewer folds"):
        predict(name, images, labels, covariate=np.ones(len(labels)), train=train)


def test_importing_the_baselines_imports_neither_torch_nor_scikit_learn():
    code = (
        "import sys, crossbench.evaluation.plain; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
