"""The linear classifier of a probe: against scikit-learn by hand, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from crossbench.errors import SplitError
from crossbench.training.linear import LinearFit, Part, fit_linear

PENALTIES = (1e-4, 1e-2, 1.0, 100.0)


def part(samples: int, *, classes: int = 3, seed: int = 0) -> Part:
    """Features of which two of six tell the classes apart, not perfectly."""
    random = np.random.default_rng(seed)
    labels = np.arange(samples) % classes
    features = random.standard_normal((samples, 6)) * [1, 1, 10, 0.1, 1, 0] + 5
    features[:, 0] += labels
    features[:, 1] -= labels == 1
    return Part(features=features.astype(np.float32), labels=labels)


def fitted(train: Part, validation: Part, num_classes: int = 3) -> LinearFit:
    return fit_linear(PENALTIES, train=train, validation=validation, num_classes=num_classes)


def test_equals_scikit_learn_at_the_selected_penalty() -> None:
    train, test = part(90), part(40, seed=2)
    fit = fitted(train, part(30, seed=1))
    mean, std = (getattr(train.features.astype(float), name)(axis=0) for name in ("mean", "std"))
    std[std < 1e-9] = 1  # the last feature never varies
    plain = LogisticRegression(C=fit.inverse_penalty, max_iter=10_000, tol=1e-8)
    plain.fit((train.features - mean) / std, train.labels)
    wanted = plain.predict_proba((test.features - mean) / std)
    assert np.exp(fit.log_probabilities(test.features)) == pytest.approx(wanted, abs=2e-3)
    assert (fit.weights, fit.trainable) == (18, 21)


@pytest.mark.parametrize(
    ("trained", "num_classes"), [([0, 1], 2), ([0, 1, 2], 3), ([0, 2], 3), ([0, 1, 3], 5)]
)
def test_a_linear_layer_says_the_same(trained: list[int], num_classes: int) -> None:
    train, test = part(90, classes=len(trained)), part(40, seed=2)
    train = Part(features=train.features, labels=np.array(trained)[train.labels])
    fit = fit_linear((1e-2,), train=train, validation=train, num_classes=num_classes)
    weight, bias = fit.head()
    assert (weight.shape, bias.shape) == ((num_classes, 6), (num_classes,))
    assert weight.dtype == bias.dtype == np.float32
    logits = test.features @ weight.T + bias
    assert np.isfinite(logits).all()
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, np.exp(fit.log_probabilities(test.features)), atol=1e-5)
    never = sorted(set(range(num_classes)) - set(trained))
    assert not shares[:, never].any()


def test_the_penalty_of_the_lowest_validation_loss_is_selected() -> None:
    fit = fitted(part(90), part(30, seed=1))
    assert [row["C"] for row in fit.path] == list(PENALTIES[: len(fit.path)])
    losses = [row["val_loss"] for row in fit.path]
    assert fit.inverse_penalty == PENALTIES[int(np.argmin(losses))]
    train_losses = [row["train_loss"] for row in fit.path]
    assert train_losses == sorted(train_losses, reverse=True)
    validation = part(30, seed=1)
    given = np.exp(fit.log_probabilities(validation.features))
    picked = given[np.arange(30), validation.labels]
    assert -np.log(picked).mean() == pytest.approx(min(losses))
    row = fit.path[int(np.argmin(losses))]
    assert (given.argmax(1) == validation.labels).mean() == pytest.approx(row["val_accuracy"])


def test_the_search_ends_where_the_validation_loss_rises() -> None:
    penalties = (*PENALTIES, 1e3, 1e4)
    fit = fit_linear(penalties, train=part(18), validation=part(30, seed=1), num_classes=3)
    losses = [row["val_loss"] for row in fit.path]
    assert 2 <= len(losses) < len(penalties)
    assert losses[-1] > losses[-2] == min(losses)
    assert fit.inverse_penalty == penalties[len(losses) - 2]


def test_of_equal_losses_the_strongest_penalty_wins() -> None:
    train = part(90)
    silent = Part(features=np.zeros_like(train.features), labels=train.labels)  # says nothing
    assert fitted(silent, silent).inverse_penalty == PENALTIES[0]


def test_validation_selects_and_is_not_learnt_from() -> None:
    train, validation = part(90), part(30, seed=1)
    contrary = Part(features=validation.features, labels=(validation.labels + 1) % 3)
    one, two = fitted(train, validation), fitted(train, contrary)
    both = min(len(one.path), len(two.path))
    assert both >= 2
    for a, b in zip(one.path[:both], two.path[:both], strict=True):
        assert (a["C"], a["train_loss"]) == (b["C"], b["train_loss"])
    assert two.inverse_penalty == PENALTIES[0]  # the less said, the less is wrong
    assert one.inverse_penalty > PENALTIES[0]


def test_units_of_features_do_not_matter() -> None:
    def changed(each: Part) -> Part:
        return Part(features=each.features * 64 - 128, labels=each.labels)

    train, validation, test = part(90), part(30, seed=1), part(40, seed=2)
    wanted = fitted(train, validation).log_probabilities(test.features)
    got = fitted(changed(train), changed(validation)).log_probabilities(changed(test).features)
    assert got == pytest.approx(wanted, abs=1e-5)


def test_same_parts_same_bits() -> None:
    train, validation = part(90), part(30, seed=1)
    one, two = fitted(train, validation), fitted(train, validation)
    assert one.path == two.path
    test = part(40, seed=2).features
    assert np.array_equal(one.log_probabilities(test), two.log_probabilities(test))


def test_a_class_that_training_lacks_has_probability_zero() -> None:
    train, validation = part(90, classes=2), part(30, classes=3, seed=1)
    fit = fitted(train, validation)
    probabilities = np.exp(fit.log_probabilities(validation.features))
    assert probabilities.shape == (30, 3)
    assert not probabilities[:, 2].any()
    assert probabilities.sum(1) == pytest.approx(1)
    assert all(np.isfinite(row["val_loss"]) for row in fit.path)
    assert (fit.weights, fit.trainable) == (6, 7)  # two classes have one boundary


def test_validation_of_one_class_selects_all_the_same() -> None:
    validation = part(30, classes=1, seed=1)
    assert fitted(part(90), validation).inverse_penalty in PENALTIES


def test_training_on_one_class_is_an_error() -> None:
    with pytest.raises(SplitError, match="class 0 alone; a linear probe needs two: use fewer"):
        fitted(part(90, classes=1), part(30))
